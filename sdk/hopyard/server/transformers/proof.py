"""The stored input example on its way through a transformer, whose answer is what rows may be joined in."""

import asyncio
from pathlib import Path

from hopyard.server.example import Example, Run, examples_asked, question_of, worded, wrong
from hopyard.server.flavors import Model
from hopyard.server.replies import Problem
from hopyard.server.transformers import errands
from hopyard.server.transformers.front import Ways
from hopyard.server.transformers.transformer import Handlers
from hopyard.server.transformers.ways import Way


async def examples_of(path: Path, model: Model, run: Run) -> list[Example]:
    """Return the examples that the predictor is asked with, as `example.examples_of` does: what `preprocess` made of
    the stored one, or that itself where there is no transformer. Raises Failure.
    """
    question = question_of(path, model)
    transformer = model.transformer
    if transformer is None:
        return examples_asked(path, model, run, question)
    thread = transformer.seated(asyncio.get_running_loop(), 1)
    ways = Ways(model, Handlers(transformer, thread, _unobserved, model=model.name))
    key, exchange, asked = question
    way: Way = ways.tensors(exchange) if key == "tensors" else ways.documents(exchange)
    try:
        opened = way.decode(asked)
    except Problem as problem:
        raise wrong(path, problem.sentence) from None
    caller = errands.Example()
    with worded():
        exchange, asked = await way.before(opened, caller)
    key = next(name for name, each in model.exchanges().items() if each is exchange)
    examples = examples_asked(path, model, run, (key, exchange, asked))
    examples[0].behind = lambda answer: way.after(answer, opened, caller)
    return examples if transformer.preprocess is None else examples[:1]


def _unobserved(*seen: object) -> None:
    """The example is no request, and is not counted as one."""
