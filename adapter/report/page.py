"""The assessment as one page of HTML: the words of the narrative, and pictures of what it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from adapter.clinical.assessment import Assessment
from adapter.fhir.narrative import COLUMNS, listed, tabled
from adapter.fhir.wording import Account, Teller, plain, teller_of
from adapter.knowledge.model import Knowledge
from adapter.pipeline import Outcome, PatientOutcome
from adapter.report.courses import Course, courses_of
from adapter.report.drawing import course_drawn, scale_drawn
from adapter.report.scales import NO_UNIT, scale_of

_STYLE = """
:root{color-scheme:light dark;--text:#1a1a1a;--page:#fff;--soft:#8883;--well:#7fb88a;--bad:#b3261e;--line:#777}
@media (prefers-color-scheme:dark){:root{--text:#eee;--page:#161616;--well:#2f6b3c;--bad:#ff8a80;--line:#aaa}}
*{box-sizing:border-box}
body{font:16px/1.5 system-ui,"Noto Sans CJK SC",sans-serif;color:var(--text);background:var(--page);margin:0 auto;
max-width:64rem;padding:1rem;overflow-wrap:anywhere}
article{border-top:3px solid var(--line);margin:2rem 0;padding-top:.5rem}
h1{font-size:1.4rem;margin:.3rem 0}h2{font-size:1.2rem}h3{font-size:1.05rem;margin:1.4rem 0 .3rem}
.headline{font-size:1.15rem;font-weight:700}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{text-align:left;padding:.3rem .5rem;border-bottom:1px solid var(--soft);vertical-align:top}
.wide{overflow-x:auto}.wide td:nth-child(3){white-space:nowrap}
.wide th,.wide td:not(:last-child){overflow-wrap:break-word}
.courses{display:grid;gap:0 1.5rem;grid-template-columns:repeat(auto-fit,minmax(min(22rem,100%),1fr))}
figure{margin:1rem 0}figcaption{font-weight:600}
svg{display:block;width:100%;height:auto}svg.scale{max-width:20rem}svg.course{max-width:46rem}
svg text{font-size:9px;fill:var(--text);text-anchor:middle}
svg .first,svg .unit{text-anchor:start}svg .number,svg .last{text-anchor:end}
.track{fill:var(--soft)}.band{fill:var(--well);opacity:.75}.course .band{opacity:.35}
.limit{stroke:var(--text);stroke-width:1.5}
.value,.outside,.bound{stroke:var(--page);stroke-width:1.5}.value{fill:var(--text)}.outside{fill:var(--bad)}
.bound{fill:var(--page);stroke:var(--text)}
path.open{stroke:var(--text);stroke-width:4;stroke-dasharray:3 2}path.outside.open{stroke:var(--bad)}
.axis{fill:none;stroke:var(--line)}polyline{fill:none;stroke:var(--text);stroke-width:1.5}
path.begun{stroke:var(--line);stroke-dasharray:4 3}text.begun{text-anchor:start}
.outside-word{color:var(--bad);font-weight:700}
@media (max-width:40rem){thead{position:absolute;left:-9999px}
tr,.glance td,.glance th{display:block;border:0}
tr{border-bottom:1px solid var(--soft);padding:.4rem 0}.glance td,.glance th{padding:.1rem 0}
.wide td:nth-child(n){display:inline;border:0;padding:0;white-space:normal}
.wide td:nth-child(1){display:block;font-weight:600}
.wide td:nth-child(n+3):not(:empty)::before{content:" · "}}
@media print{article{break-before:page;border:0}article:first-of-type{break-before:auto}
body{font-size:11pt;max-width:none;padding:0}table{font-size:9pt}.wide td:nth-child(3){white-space:normal}
h2,h3{break-after:avoid}tr,li,figure{break-inside:avoid}}
""".strip()


def report(outcome: Outcome, knowledge: Knowledge, *, language: str) -> bytes:
    """All patients of an outcome on one page, in UTF-8; it loads nothing and runs nothing.

    Args:
        outcome: What was assessed.
        knowledge: What it was assessed by.
        language: Language of every text: a key of ``knowledge.texts``.
    """
    teller = knowledge.remembered(teller_of)(language)
    title = _text(teller.say("page.title"))
    body = "".join(_patient(patient, teller) for patient in outcome.patients)
    told = "".join(f"<li>{_text(teller.told(problem))}</li>" for problem in outcome.problems)
    problems = f"<h2>{_text(teller.say('page.problems'))}</h2><ul>{told}</ul>" if told else ""
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>{body}{problems}</body></html>\n"
    ).encode()


def _patient(patient: PatientOutcome, teller: Teller) -> str:
    assessment, say = patient.assessment, teller.say
    account = teller.account(assessment, [*patient.set_aside, *patient.cautions])
    return "".join(
        (
            f"<article><h2>{_text(assessment.patient.reference)} · {assessment.as_of.date()}</h2>",
            f'<p class="headline">{_text(account.headline)}</p>',
            *(f"<p>{_text(text)}</p>" for text in (*account.alerts, account.plan, account.grounds) if text),
            _glance(assessment, account, teller),
            _courses(courses_of(assessment, patient.history), teller),
            listed(say("page.remarks"), account.remarks),
            f'<div class="wide">{tabled(say("page.used"), map(say, COLUMNS), account.used)}</div>',
            listed(say("page.scores"), account.scores),
            listed(say("page.missing"), account.missing),
            listed(say("page.set-aside"), account.set_aside),
            f"<p>{_text(account.rules)}</p><p><b>{_text(account.disclaimer)}</b></p></article>",
        )
    )


def _glance(assessment: Assessment, account: Account, teller: Teller) -> str:
    """What was read against limits, a line each."""
    rows = "".join(_rows(assessment, account, teller.knowledge))
    if not rows:
        return ""
    heads = "".join(
        f'<th scope="col">{_text(teller.say(key))}</th>' for key in ("page.what", "page.lies", "page.value")
    )
    return (
        f'<h3>{_text(teller.say("page.glance"))}</h3><table class="glance"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _rows(assessment: Assessment, account: Account, knowledge: Knowledge) -> Iterator[str]:
    for evidence, used in zip(assessment.evidence, account.used, strict=True):
        scale = scale_of(evidence, knowledge)
        if scale is not None:
            kind = ' class="outside-word"' if evidence.reading[:1] in ("L", "H") else ""
            yield (
                f'<tr><th scope="row">{_text(used.what)}</th><td>{scale_drawn(scale, reading=evidence.reading)}</td>'
                f"<td><span{kind}>{_text(' · '.join(filter(None, (used.value, used.reading))))}</span><br>"
                f"<small>{_text(used.when[:10])}</small></td></tr>"
            )


def _courses(courses: Iterable[Course], teller: Teller) -> str:
    drawn = "".join(_course(course, teller) for course in courses)
    return f'<h3>{_text(teller.say("page.course"))}</h3><div class="courses">{drawn}</div>' if drawn else ""


def _course(course: Course, teller: Teller) -> str:
    newest = course.results[-1][1]
    begun = [teller.say(f"factor.{kind}") for _, kind in course.begins]
    values = teller.semicolon.join(
        f"{day.isoformat()} {each.digits} {each.received_unit}".strip() for day, each in course.results
    )
    name = teller.marker_name(newest)
    caption = name if newest.unit == NO_UNIT else f"{name}, {newest.unit}"
    return (
        f"<figure><figcaption>{_text(caption)}</figcaption>{course_drawn(course, begun=begun)}"
        f"<small>{_text(values)}</small></figure>"
    )


def _text(text: str) -> str:
    return escape(plain(text))
