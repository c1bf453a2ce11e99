"""Every question, service by service. A new one is a function in one of these modules, and its entry in that module's section."""

from monitor.doctor.answer import Question, Section
from monitor.doctor.questions.control_plane import CONTROL_PLANE
from monitor.doctor.questions.gateway import GATEWAY
from monitor.doctor.questions.own_store import OWN_STORE
from monitor.doctor.questions.surroundings import SURROUNDINGS
from monitor.doctor.questions.traceloop import TRACELOOP
from monitor.doctor.questions.traces import TRACES

SECTIONS: tuple[Section, ...] = (CONTROL_PLANE, GATEWAY, TRACELOOP, TRACES, OWN_STORE, SURROUNDINGS)

QUESTIONS: tuple[Question, ...] = tuple(question for section in SECTIONS for question in section.questions)

__all__ = ["QUESTIONS", "SECTIONS"]
