"""TrueFoundry: the AI gateway, its control plane, and its own trace store. Wire shapes in, core vocabulary out.

Shapes: https://github.com/truefoundry/truefoundry-python-sdk, and recorded answers in https://github.com/truefoundry/models.
"""

from monitor.truefoundry.control_plane import TrueFoundryControlPlane
from monitor.truefoundry.feedback import HEADER as FEEDBACK_HEADER
from monitor.truefoundry.feedback import decode_feedback_target, describe_feedback_target
from monitor.truefoundry.gateway import TrueFoundryGateway
from monitor.truefoundry.models import ModelsAnswer
from monitor.truefoundry.span_metrics import GatewaySpanMetrics

__all__ = [
    "FEEDBACK_HEADER",
    "GatewaySpanMetrics",
    "ModelsAnswer",
    "TrueFoundryControlPlane",
    "TrueFoundryGateway",
    "decode_feedback_target",
    "describe_feedback_target",
]
