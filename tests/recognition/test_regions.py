"""Which side of the body a bone density is of, and notes that say that it must not be read."""

from __future__ import annotations

import pytest

from adapter.clinical.results import Coding, Concept, LabTest
from adapter.recognition.regions import side_of, spoiled_by


def lab_test(site: str = "", *, text: str = "", notes: tuple[str, ...] = ()) -> LabTest:
    return LabTest(code=Concept(text=text), body_site=Concept(text=site), notes=notes)


@pytest.mark.parametrize(
    ("test", "display", "side"),
    [
        (lab_test(), "DXA Hip - left [T-score] Bone density", "left"),
        (lab_test("Right femoral neck"), "DXA Femur [T-score] Bone density", "right"),
        (lab_test(text="左侧股骨颈 T 值"), "", "left"),
        (lab_test(), "DXA Hip [T-score] Bone density", ""),
        (lab_test("left and right hip"), "", ""),
        (lab_test("right hip"), "DXA Hip - left [T-score] Bone density", "right"),
    ],
)
def test_the_side_is_read_from_body_site_text_or_code(test: LabTest, display: str, side: str) -> None:
    assert side_of(test, display) == side


def test_the_side_is_read_from_the_display_of_the_body_site() -> None:
    site = Concept((Coding("http://snomed.info/sct", "0", "Structure of left hip"),))
    assert side_of(LabTest(code=Concept(), body_site=site), "") == "left"


@pytest.mark.parametrize(
    ("site", "note", "is_spoiled"),
    [
        ("hip", "Left hip prosthesis in situ, not evaluable", True),
        ("total-hip", "左髋人工关节置换术后", True),
        ("lumbar-spine", "L2 compression fracture. Values invalid", True),
        ("lumbar-spine", "腰椎侧弯明显", True),
        ("lumbar-spine", "No vertebral fracture", False),
        ("lumbar-spine", "未见椎体骨折", False),
        ("hip", "Scoliosis of the spine", False),
        ("lumbar-spine", "Hip prosthesis on the left", False),
        ("lumbar-spine", "Well positioned", False),
    ],
)
def test_a_prosthesis_or_a_deformed_spine_forbids_the_region_that_it_is_in(
    site: str, note: str, is_spoiled: bool
) -> None:
    assert bool(spoiled_by(lab_test(notes=(note,)), site)) is is_spoiled
