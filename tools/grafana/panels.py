"""The kinds of panels that the dashboard is made of: one look for all, readable in Grafana's light and dark theme.

Colours are names of Grafana's own palette, which each theme shows in its own shade.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as style
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from tools.grafana.queries import PAGE

GREEN, YELLOW, ORANGE, RED, BLUE, GREY = "green", "yellow", "orange", "red", "blue", "#808080"
HEIGHT, FIGURE_HEIGHT = 8, 4
SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")

Steps = Sequence[tuple[float | None, str]]
"""From which value on which colour; None is the lowest."""

Panel = Builder[model.Panel]
P = TypeVar("P", bargauge.Panel, heatmap.Panel, stat.Panel, statetimeline.Panel, table.Panel, timeseries.Panel)


@dataclass(frozen=True, slots=True)
class Query:
    """An expression, and what the legend calls each series."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """How a table shows one of its fields."""

    name: str
    unit: str = ""
    steps: Steps = ()
    words: tuple[model.ValueMapping, ...] = ()
    links: tuple[build.DashboardLink, ...] = ()

    def properties(self) -> Iterable[model.DynamicConfigValue]:
        """The field options that differ from Grafana's own."""
        if self.unit:
            yield model.DynamicConfigValue("unit", self.unit)
        if self.words:
            yield model.DynamicConfigValue("mappings", list(self.words))
        if self.steps:
            yield model.DynamicConfigValue("thresholds", _thresholds(self.steps).build())
        if self.steps or self.words:
            yield model.DynamicConfigValue("custom.cellOptions", {"type": "color-text"})
        if self.links:
            yield model.DynamicConfigValue("links", [link.build() for link in self.links])


def words(*options: tuple[float | tuple[float, float] | None, str, str]) -> tuple[model.ValueMapping, ...]:
    """What a value, a range of values, or the absence of one (None) is called, and its colour."""
    mappings: list[model.ValueMapping] = []
    for place, (value, text, color) in enumerate(options):
        result = model.ValueMappingResult(text=text, color=color, index=place)
        if value is None:
            nothing = model.SpecialValueMatch.NULL_AND_NAN
            mappings.append(model.SpecialValueMap(model.DashboardSpecialValueMapOptions(nothing, result)))
        elif isinstance(value, tuple):
            mappings.append(model.RangeMap(model.DashboardRangeMapOptions(*value, result)))
        else:
            mappings.append(model.ValueMap({f"{value:g}": result}))
    return tuple(mappings)


def link(title: str, url: str, *, new_tab: bool = True) -> build.DashboardLink:
    """A link to elsewhere."""
    return build.DashboardLink(title).type(model.DashboardLinkType.LINK).url(url).target_blank(new_tab)


RUNBOOK = link("Runbook", f"{PAGE}/runbooks/${{__field.labels.fault}}")
SEVERITY = words((0, "healthy", GREEN), (1, "warning", ORANGE), (2, "critical", RED))
VERDICT = words((0, "not run yet", GREY), (1, "pass", GREEN), ((2, 3), "unknown", YELLOW), ((4, 7), "fail", RED))
YES = words((0, "no", "text"), (1, "yes", BLUE))
OUTCOMES = {
    "arrived": GREEN, "late": YELLOW, "incomplete": ORANGE, "missing": RED, "unknown": GREY, "recovered": BLUE,
}  # fmt: skip
SHARE = [(None, ORANGE), (0.95, YELLOW), (0.99, GREEN)]
"""What values are called, and their colours: the same in each panel."""


def figure(
    title: str,
    about: str,
    *queries: Query,
    width: int,
    unit: str = "none",
    steps: Steps = ((None, "text"),),
    mapped: tuple[model.ValueMapping, ...] = (),
    nothing: str = "no data",
    named: bool = False,
    decimals: int | None = None,
    colors: Mapping[str, Steps] | None = None,
    renamed: Mapping[str, tuple[model.ValueMapping, ...]] | None = None,
    text: style.BigValueTextMode | None = None,
) -> Panel:
    """Values of now, as figures or words. `colors` and `renamed`: other steps and words for the series of a name."""
    panel = (
        stat.Panel()
        .unit(unit)
        .thresholds(_thresholds(steps))
        .mappings(list(mapped))
        .no_value(nothing)
        .color_mode(style.BigValueColorMode.VALUE)
        .graph_mode(style.BigValueGraphMode.NONE)
        .text_mode(text or (style.BigValueTextMode.VALUE_AND_NAME if named else style.BigValueTextMode.VALUE))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    if decimals is not None:
        panel.decimals(decimals)
    for name, other in (colors or {}).items():
        panel.override_by_name(name, [model.DynamicConfigValue("thresholds", _thresholds(other).build())])
    for name, mappings in (renamed or {}).items():
        panel.override_by_name(name, [model.DynamicConfigValue("mappings", list(mappings))])
    return _finish(panel, title, about, queries, width, FIGURE_HEIGHT, instant=True)


def chart(
    title: str,
    about: str,
    *queries: Query,
    width: int,
    unit: str = "short",
    bars: bool = False,
    stacked: bool = False,
    ratio: bool = False,
    steps: Steps = (),
    interval: str = "",
    nothing: str = "no data",
    colors: Mapping[str, str] | None = None,
) -> Panel:
    """Values over time. `steps` draws limits as dashed lines; `colors` are by name of the series."""
    panel = (
        timeseries.Panel()
        .unit(unit)
        .min(0)
        .no_value(nothing)
        .draw_style(style.GraphDrawStyle.BARS if bars else style.GraphDrawStyle.LINE)
        .fill_opacity(70 if bars else 10 if not stacked else 40)
        .line_width(0 if bars else 2)
        .show_points(style.VisibilityMode.NEVER if bars else style.VisibilityMode.AUTO)
        .span_nulls(False)  # noqa: FBT003 - the SDK's own
        .legend(_legend("mean" if unit == "percentunit" else "lastNotNull"))
        .tooltip(_tooltip())
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(style.StackingMode.NORMAL).group("A"))
    if ratio:
        panel.max(1)
    if steps:
        panel.thresholds(_thresholds(steps))
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(style.GraphThresholdsStyleMode.DASHED))
    for name, color in (colors or {}).items():
        panel.override_by_name(name, [model.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color})])
    return _finish(panel, title, about, queries, width, HEIGHT, interval=interval)


def timeline(
    title: str,
    about: str,
    *queries: Query,
    width: int,
    mapped: tuple[model.ValueMapping, ...],
    nothing: str = "no data",
    links: Sequence[build.DashboardLink] = (),
) -> Panel:
    """States over time, a line for each series, in words and colours."""
    panel = (
        statetimeline.Panel()
        .mappings(list(mapped))
        .color_scheme(build.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .thresholds(_thresholds([(None, GREY)]))
        .no_value(nothing)
        .show_value(style.VisibilityMode.NEVER)
        .merge_values(True)  # noqa: FBT003 - the SDK's own
        .row_height(0.8)
        .per_page(25)
        .fill_opacity(80)
        .line_width(0)
        .legend(_legend(shown=False))
        .tooltip(_tooltip())
    )
    if links:
        panel.data_links(list(links))
    return _finish(panel, title, about, queries, width, HEIGHT)


def heat(title: str, about: str, query: Query, *, width: int, unit: str, interval: str) -> Panel:
    """A histogram over time: how many fell into each bucket."""
    panel = (
        heatmap.Panel()
        .calculate(False)  # noqa: FBT003 - Prometheus has counted
        .color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Blues").steps(32))
        .rows_frame(heatmap.RowsHeatmapOptions().layout(style.HeatmapCellLayout.LE))
        .filter_values(heatmap.FilterValueRange().le(1e-9))
        .y_axis(heatmap.YAxisConfig().unit(unit).axis_placement(style.AxisPlacement.LEFT))
        .cell_gap(1)
        .cell_values(heatmap.CellValues().unit("short").decimals(1))
        .mode(style.TooltipDisplayMode.SINGLE)
        .show_y_histogram()
    )
    return _finish(panel, title, about, [query], width, HEIGHT, format_=PromQueryFormat.HEATMAP, interval=interval)


def gauges(
    title: str,
    about: str,
    *queries: Query,
    width: int,
    unit: str,
    steps: Steps,
    nothing: str = "no data",
) -> Panel:
    """Values of now as bars."""
    panel = (
        bargauge.Panel()
        .unit(unit)
        .min(0)
        .thresholds(_thresholds(steps))
        .no_value(nothing)
        .orientation(style.VizOrientation.HORIZONTAL)
        .display_mode(style.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    return _finish(panel, title, about, queries, width, HEIGHT, instant=True)


def rows(
    title: str,
    about: str,
    *queries: Query,
    width: int,
    columns: Mapping[str, Column],
    nothing: str,
    sort_by: str | None = None,
) -> Panel:
    """Values of now as a table. `columns`: by the field's name, which is a label or `Value #A` and so on; all others are hidden."""
    shown = {field: column.name for field, column in columns.items()}
    merge = model.DataTransformerConfig("merge", options={})
    keep = model.DataTransformerConfig("filterFieldsByName", options={"include": {"names": list(shown)}})
    order = {field: place for place, field in enumerate(shown)}
    organize = model.DataTransformerConfig("organize", options={"indexByName": order, "renameByName": shown})
    panel = table.Panel().no_value(nothing).cell_height(style.TableCellHeight.SM)
    for transformation in (merge, keep, organize):
        panel.with_transformation(transformation)
    for column in columns.values():
        panel.override_by_name(column.name, list(column.properties()))
    if sort_by is not None:
        panel.sort_by([common.TableSortByFieldState().display_name(sort_by).desc(True)])  # noqa: FBT003 - the SDK's own
    return _finish(panel, title, about, queries, width, HEIGHT, instant=True, format_=PromQueryFormat.TABLE)


def _finish(
    panel: P,
    title: str,
    about: str,
    queries: Sequence[Query],
    width: int,
    height: int,
    *,
    instant: bool = False,
    format_: PromQueryFormat = PromQueryFormat.TIME_SERIES,
    interval: str = "",
) -> P:
    """What every panel has."""
    panel.title(title).description(about).datasource(SOURCE).span(width).height(height)
    if interval:
        panel.interval(interval)
    for name, query in zip(ascii_uppercase, queries, strict=False):
        asked = prometheus.Dataquery().expr(query.expr).ref_id(name).format(format_).datasource(SOURCE)
        asked = asked.instant() if instant else asked.range()
        panel.with_target(asked.legend_format(query.legend) if query.legend else asked)
    return panel


def _thresholds(steps: Steps) -> build.ThresholdsConfig:
    return (
        build.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(value=value, color=color) for value, color in steps])
    )


def _legend(*calculations: str, shown: bool = True) -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .show_legend(shown)
        .display_mode(style.LegendDisplayMode.LIST)
        .placement(style.LegendPlacement.BOTTOM)
        .calcs(list(calculations))
    )


def _tooltip() -> common.VizTooltipOptions:
    return common.VizTooltipOptions().mode(style.TooltipDisplayMode.MULTI).sort(style.SortOrder.DESCENDING)
