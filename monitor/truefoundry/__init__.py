"""TrueFoundry: the AI gateway, its control plane, and its own trace store. Wire shapes in, core vocabulary out.

Shapes: https://github.com/truefoundry/truefoundry-python-sdk, and recorded answers in https://github.com/truefoundry/models.
"""

from monitor.truefoundry.control_plane import TrueFoundryControlPlane
from monitor.truefoundry.gateway import FEEDBACK_HEADER, ModelsAnswer, TrueFoundryGateway, describe_feedback_target

__all__ = [
    "FEEDBACK_HEADER",
    "ModelsAnswer",
    "TrueFoundryControlPlane",
    "TrueFoundryGateway",
    "describe_feedback_target",
]
