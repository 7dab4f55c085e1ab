"""What an operation may be at most, judged before it runs.

First by its text alone, at the speed of a regular expression, so that what is far too large never becomes a document; then by
its document. Depth and aliases are counted with one look at each fragment: counting along every path, as Strawberry's own rules
do, lets a short document of fragments that spread each other twice keep a core busy for ever. Introspection is not counted here;
how deep its lists may nest is a rule of graphql-core's own, under which the standard introspection query passes.
"""

import re
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

MAX_BODY_BYTES = 100_000
MAX_TEXT = 25_000
MAX_TOKENS = 2000
# Fields, fragments, types and directives, wherever they stand but in arguments. A screen of a dashboard has up to 150.
MAX_NAMES = 400
# A stranger may read the schema, for which the standard introspection query is enough.
MAX_TOKENS_OF_STRANGERS = 400
# Names and values between parentheses, the parentheses too. To find what is wrong among more takes longer than a refusal may.
MAX_WRITTEN = 250
MAX_DEPTH = 12
MAX_ALIASES = 50
MAX_DIRECTIVES = 50
# Fields that a selection has already: each is compared with all of its kind.
MAX_REPEATS = 20
# Braces: as many inline fragments as levels.
MAX_NESTING = 2 * MAX_DEPTH

TOKEN = re.compile(
    r'"""(?:[^"\\]|\\(?:""")?|"(?!""))*+"""'  # a block string
    r'|"(?:[^"\\\n\r]|\\.)*+"'  # a string
    r"|[_A-Za-z][_0-9A-Za-z]*+|-?[0-9][0-9A-Za-z.+-]*+|\.\.\."
    r"|#[^\n\r]*+"  # a comment, which counts as a token
    r"|[^\s,\ufeff]"
)
TOO_LONG = f"The document has more than {MAX_TEXT} characters. Long values go into variables."
TOO_MANY_NAMES = f"The document has more than {MAX_NAMES} fields, fragments and directives."
TOO_MUCH_WRITTEN = f"The arguments have more than {MAX_WRITTEN} tokens. Long values go into variables."
TOO_DEEP = f"The operation is deeper than {MAX_DEPTH} levels."
TOO_MANY_ALIASES = f"The document has more than {MAX_ALIASES} aliases."
TOO_MANY_REPEATS = f"The document asks more than {MAX_REPEATS} times for what the same selection has already."
TOO_MANY_DIRECTIVES = f"The document has more than {MAX_DIRECTIVES} directives."
TOO_NESTED = f"The document nests selections more than {MAX_NESTING} times."


@dataclass(frozen=True)
class Size:
    """Levels of fields, and aliases, fragments counted wherever they are spread."""

    depth: int = 0
    aliases: int = 0


def check_text(text: str, max_tokens: int = MAX_TOKENS) -> int:
    """Return how many tokens a document has; GraphQLError where one look at its tokens shows that it is too large."""
    if len(text) > MAX_TEXT:
        raise GraphQLError(TOO_LONG)
    tokens = written = parentheses = nesting = names = aliases = directives = 0
    for match in TOKEN.finditer(text):
        tokens += 1
        if tokens > max_tokens:
            raise GraphQLError(f"The document has more than {max_tokens} tokens.")
        token = match[0]
        if token == '"':
            raise GraphQLError("Syntax Error: Unterminated string.")
        if token == "(":
            parentheses += 1
        elif token == ")":
            parentheses -= 1
        elif parentheses > 0:
            written = _counted(written, MAX_WRITTEN, TOO_MUCH_WRITTEN)
        elif token == "{":
            nesting = _counted(nesting, MAX_NESTING, TOO_NESTED)
        elif token == "}":
            nesting -= 1
        elif token == ":":
            # Outside of parentheses a colon follows an alias and nothing else.
            aliases = _counted(aliases, MAX_ALIASES, TOO_MANY_ALIASES)
        elif token == "@":
            directives = _counted(directives, MAX_DIRECTIVES, TOO_MANY_DIRECTIVES)
        elif token.isidentifier():
            names = _counted(names, MAX_NAMES, TOO_MANY_NAMES)
    return tokens


def _counted(number: int, most: int, message: str) -> int:
    if number >= most:
        raise GraphQLError(message)
    return number + 1


def check_sizes(document: DocumentNode) -> None:
    """GraphQLError where an operation is too deep, or the document has too many aliases or repeats."""
    measure = _Measure(document)
    sizes = measure.operations()
    if measure.repeats > MAX_REPEATS:
        raise GraphQLError(TOO_MANY_REPEATS)
    if any(size.depth > MAX_DEPTH for size in sizes):
        raise GraphQLError(TOO_DEEP)
    if sum(size.aliases for size in sizes) > MAX_ALIASES:
        raise GraphQLError(TOO_MANY_ALIASES)


def sizes_of(document: DocumentNode) -> list[Size]:
    """Return the size of each operation."""
    return _Measure(document).operations()


class _Measure:
    def __init__(self, document: DocumentNode) -> None:
        self.repeats = 0
        self._document = document
        definitions = [item for item in document.definitions if isinstance(item, FragmentDefinitionNode)]
        self._fragments = {item.name.value: item for item in definitions}
        self._known: dict[str, Size] = {}

    def operations(self) -> list[Size]:
        found = [item for item in self._document.definitions if isinstance(item, OperationDefinitionNode)]
        return [self.selections(item.selection_set) for item in found]

    def selections(self, selection_set: SelectionSetNode) -> Size:
        depth = aliases = 0
        seen: set[str] = set()
        for item in selection_set.selections:
            if isinstance(item, FieldNode):
                name = (item.alias or item.name).value
                self.repeats += name in seen
                seen.add(name)
            part = self._selection(item)
            depth = max(depth, part.depth)
            aliases += part.aliases
        return Size(depth, aliases)

    def _selection(self, node: object) -> Size:
        if isinstance(node, FieldNode):
            return self._field(node)
        if isinstance(node, InlineFragmentNode):
            return self.selections(node.selection_set)
        return self._fragment(node.name.value) if isinstance(node, FragmentSpreadNode) else Size()

    def _field(self, node: FieldNode) -> Size:
        aliases = int(node.alias is not None)
        if node.selection_set is None or node.name.value.startswith("__"):
            return Size(1, aliases)
        below = self.selections(node.selection_set)
        return Size(below.depth + 1, below.aliases + aliases)

    def _fragment(self, name: str) -> Size:
        if name not in self._known:
            # Entered before it is measured, so that fragments in a circle end here; another rule says that there is a circle.
            self._known[name] = Size()
            found = self._fragments.get(name)
            self._known[name] = Size() if found is None else self.selections(found.selection_set)
        return self._known[name]
