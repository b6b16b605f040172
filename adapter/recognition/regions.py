"""The region that a bone density is of: which side of the body, and whether something in it spoils the measurement."""

from __future__ import annotations

from adapter.clinical.results import LabTest
from adapter.recognition.notes import stated_in

_LEFT = ("left", "左")
_RIGHT = ("right", "右")
# "a hip with prosthesis or a fractured/scoliotic vertebra if stated" is never read (bone density, safety rules).
_PROSTHESIS = ("prosthe", "arthroplast", "hip replacement", "metal implant", "假体", "关节置换", "内固定")
_SPINE = ("scolio", "compression fracture", "vertebral fracture", "fractured vertebra", "vertebroplast", "kyphoplast")
_SPINE_ZH = ("侧弯", "侧凸", "压缩性骨折", "椎体骨折", "椎体成形")
_SPOILED_BY = {
    **dict.fromkeys(("hip", "femur", "femoral-neck", "total-hip"), _PROSTHESIS),
    "lumbar-spine": (*_SPINE, *_SPINE_ZH),
}


def side_of(test: LabTest, display: str) -> str:
    """``left`` or ``right``, by the words of the body site, of the code's text or of the code itself; else empty."""
    site = (test.body_site.text, *(coding.display for coding in test.body_site.codings))
    for words in (" ".join(site).lower(), test.code.text.lower(), display.lower()):
        sides = {name for name, signs in (("left", _LEFT), ("right", _RIGHT)) if any(sign in words for sign in signs)}
        if len(sides) == 1:
            return sides.pop()
    return ""


def spoiled_by(test: LabTest, site: str) -> str:
    """The word by which a note says that this region was not fit to be measured; empty where none says so."""
    return stated_in(test.notes, _SPOILED_BY.get(site, ()))
