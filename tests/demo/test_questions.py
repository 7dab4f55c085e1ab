"""Before and after: the same questions, scored by the example's own reward."""

from typing import Any, cast

from burnish.cli.output import Output
from burnish.demo import questions, recipes
from burnish.demo.questions import Answers, Comparison, Deployed

ROW = {"prompt": [{"role": "user", "content": "1+2"}], "answer": "3"}
GROUP = {"datasetRow": 1, "rewardMean": 0.35, "completions": [{"text": "3"}, {"text": "8"}]}


class Trained:
    """A deployment that has learned half of it."""

    def answers(self, prompt: Any) -> list[str]:
        assert prompt == ROW["prompt"]
        return ["3", "4"]


def test_deployment_is_asked_the_same_and_scored_by_the_reward() -> None:
    reward = recipes.EXAMPLES / "quick" / "reward.py"
    found = questions.compare(cast(Deployed, Trained()), [GROUP], [{}, ROW], reward)
    assert found == [Comparison(ROW, Answers(["3", "8"], 0.35), Answers(["3", "4"], (1.1 + 0.1) / 2))]


def test_only_so_many_questions_are_asked() -> None:
    reward = recipes.EXAMPLES / "quick" / "reward.py"
    assert len(questions.compare(cast(Deployed, Trained()), [GROUP] * 9, [{}, ROW], reward)) == questions.MOST


def test_answers_are_shown_on_one_line_each(capsys: Any) -> None:
    long = Answers(["a very long answer\nover two lines"], 0.0)
    questions.show(Output(), [Comparison(ROW, long, Answers(["3"], 1.0))])
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "  1+2   (right: 3)",
        "    before  reward 0.00   a very long answer over…",
        "    after   reward 1.00   3",
        "  Mean reward of these answers: 0.00 before, 1.00 after.",
    ]


def test_plain_prompt_becomes_a_message() -> None:
    assert questions.messages("1+2") == [{"role": "user", "content": "1+2"}]


def test_examples_name_their_files() -> None:
    for recipe in (recipes.QUICK, recipes.FULL):
        assert recipe.job_file.is_file()
        assert len(recipes.rows(recipe.job_file.parent / "prompts.jsonl")) > 20
