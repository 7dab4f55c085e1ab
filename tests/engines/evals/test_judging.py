"""What a judge is asked, and what its answers mean."""

import pytest

from engines.evals import judging
from engines.evals.judging import JudgeProblem


@pytest.mark.parametrize(
    ("answer", "scale", "expected"),
    [
        ("0.8", (0, 1), 0.8),
        ("Score: 1", (0, 1), 1.0),
        ("**Score:** 7", (1, 10), 6 / 9),
        ("I first thought score: 2.\nFinal score: 9", (0, 10), 0.9),
        ("The rating is 3", (1, 5), 0.5),
        ('{"reason": "4 of 5 parts", "score": 0.75}', (0, 1), 0.75),
        ('Here:\n```json\n{"score": "5"}\n```', (0, 10), 0.5),
        ("I give 3/5 for this.", (1, 5), 0.5),
        ("Two errors, so 8 out of 10", (0, 10), 0.8),
        ("<think>maybe 3, maybe score: 4</think>\n5", (0, 10), 0.5),
        ("1 is what I say: 1", (0, 1), 1.0),
        ("-0.5", (-1, 1), 0.25),
        (".5", (0, 1), 0.5),
        ("1e-1", (0, 1), 0.1),
    ],
)
def test_a_score_is_read_from_an_answer(answer: str, scale: tuple[float, float], expected: float) -> None:
    assert judging.score_of(answer, scale) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("", "The judge gave no number and no score: "),
        ("It is good.", "The judge gave no number and no score: It is good."),
        ("Somewhere between 3 and 4", "The judge gave several numbers and no score: Somewhere between 3 and 4"),
        ("Score: 11", "The judge's score 11 is not within 0 … 10."),
        ("Score: -1", "The judge's score -1 is not within 0 … 10."),
        ('{"score": NaN}', "The judge's score nan is not within 0 … 10."),
    ],
)
def test_an_answer_in_doubt_is_no_score(answer: str, message: str) -> None:
    with pytest.raises(JudgeProblem) as caught:
        judging.score_of(answer, (0, 10))

    assert str(caught.value) == message


def test_what_stands_in_an_answer_is_no_place_of_the_prompt() -> None:
    asked = judging.asked("{input}|{output}|{label}|{other}", (0, 1), input="{label}", output="{input}", label="{output}")

    assert asked == "{label}|{input}|{output}|{other}"


def test_the_prompt_of_the_platform_names_the_scale() -> None:
    asked = judging.asked(judging.DEFAULT_PROMPT, (1, 10), input="2+2?", output="{low} 4", label="4")

    assert "on a scale from 1 (worst) to 10 (best)" in asked
    assert "[Answer]\n{low} 4\n" in asked
