"""csource - our C sources, read as text: what tools/counts, tools/dead_code and tools/style share.

No parser of C: comments and literals are blanked, braces are counted. That is enough for code in
the form that .clang-format gives it.
"""
import collections
import fnmatch
import re

# Folders whose sources are no part of the product.
ASIDE = {"tests", "bench", "docs", "deploy", "findings", "migrations"}
TOOLS = "tools"

COMMENT_OR_LITERAL = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'',
                                re.DOTALL)
DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.MULTILINE)
DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)(?:\(([^)]*)\))?((?:\\\n|[^\n])*)",
                    re.MULTILINE)
# A name that may be a function's: no member, no tag.
USE = re.compile(r"(?<![\w.])(?<!->)(?<!struct )(?<!enum )(?<!union )[A-Za-z_]\w*")
NOT_A_FUNCTION = {"__attribute__", "_Static_assert", "_Alignas", "sizeof", "if", "while", "for",
                  "switch", "return", "void", "bool", "int", "char", "defined", "__typeof__"}

# kind: "{" a definition, ";" a declaration; line: of its first word.
Statement = collections.namedtuple("Statement", "text kind line")


def is_aside(path):
    return path.split("/")[0] in ASIDE


def files_of(root, suffixes=(".c", ".h", ".def")):
    """Paths from the root, sorted; hidden folders are not entered."""
    found = []
    for suffix in suffixes:
        for file in root.rglob("*" + suffix):
            path = file.relative_to(root).as_posix()
            if file.is_file() and not any(part.startswith(".") for part in path.split("/")):
                found.append(path)
    return sorted(found)


def read(root, path):
    return (root / path).read_text(encoding="utf-8")


def blank(match):
    """The same number of lines, nothing on them."""
    return " " + "\n" * match.group().count("\n")


def without_comments(text, literals=True):
    """literals: keep the texts in quotes."""
    def one(match):
        if literals and match.group()[0] in "\"'":
            return match.group()
        return blank(match)
    return COMMENT_OR_LITERAL.sub(one, text)


def statements_of(text):
    """What stands outside all braces, in order; text without comments and literals. A definition
    ends where its body begins, a body's own braces are passed over."""
    text = DIRECTIVE.sub(blank, text)
    text = re.sub(r'extern\s+\{', blank, text)  # extern "C", its text blanked
    found, start, depth = [], 0, 0
    for match in re.finditer(r"[{};]", text):
        mark, place = match.group(), match.start()
        if mark == "{":
            depth += 1
        elif mark == "}":
            depth = max(depth - 1, 0)
        if (mark == "{" and depth == 1) or (mark == ";" and depth == 0):
            head = text[start:place]
            if head.strip():
                line = text.count("\n", 0, start + len(head) - len(head.lstrip())) + 1
                found.append(Statement(head.strip(), mark, line))
        if depth == 0 or (mark == "{" and depth == 1):
            start = place + 1
    return found


def function_of(statement):
    """The name of the function that a statement declares or defines, or None."""
    head = re.sub(r"__attribute__\s*\(\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)\)", " ",
                  statement.text)
    if head.startswith("typedef") or "=" in head.split("(")[0]:
        return None
    for match in re.finditer(r"([A-Za-z_]\w*)\s*\(", head):
        if match.group(1) not in NOT_A_FUNCTION:
            return match.group(1)
    return None


class Source:
    """One file: its text, the text that the compiler sees, the names in it."""

    def __init__(self, root, path):
        self.path = path
        self.text = read(root, path)
        self.code = without_comments(self.text, literals=False)
        self.statements = statements_of(self.code)
        self.names = collections.Counter(USE.findall(self.code))

    def functions(self, kind):
        """name -> line, of those defined ("{") or declared (";") here."""
        found = {}
        for statement in self.statements:
            name = function_of(statement) if statement.kind == kind else None
            if name:
                found.setdefault(name, statement.line)
        return found


def pasted_names(sources):
    """Yields (path, name) for each name that a macro makes with ## of its arguments."""
    makers = {}
    for source in sources:
        for name, parameters, body in DEFINE.findall(source.code):
            patterns = set(re.findall(r"\w+(?:\s*##\s*\w+)+", body))
            if patterns:
                makers.setdefault(name, []).append(
                    ([word.strip() for word in parameters.split(",")], patterns))
    if not makers:
        return
    use = re.compile(r"\b(" + "|".join(makers) + r")\s*\(([^()]*)\)")
    for source in sources:
        for name, arguments in use.findall(source.code):
            for parameters, patterns in makers[name]:
                values = dict(zip(parameters, (word.strip() for word in arguments.split(","))))
                for pattern in patterns:
                    yield source.path, "".join(
                        values.get(part.strip(), part.strip()) for part in pattern.split("##"))


class Tree:
    """All sources of a checkout, those of the product apart."""

    def __init__(self, root):
        self.root = root
        self.sources = {path: Source(root, path) for path in files_of(root)}
        self.product = [source for path, source in self.sources.items()
                        if not is_aside(path) and not path.startswith(TOOLS + "/")]
        self.callers = [source for path, source in self.sources.items() if not is_aside(path)]
        self.pasted = collections.defaultdict(set)  # name -> files that make it
        for path, name in pasted_names(self.sources.values()):
            self.pasted[name].add(path)

    def exports(self):
        """name -> (header, line) of the functions that the product's headers declare or define."""
        found = {}
        for source in self.product:
            if source.path.endswith(".h"):
                for kind in ";{":
                    for name, line in source.functions(kind).items():
                        found.setdefault(name, (source.path, line))
        return found

    def used_in(self, name, own):
        """Product and tools that name it, besides the files `own`."""
        return [source.path for source in self.callers
                if source.path not in own
                and (source.names[name] or source.path in self.pasted[name])]

    def visible_patterns(self):
        """What the maps of shared libraries export: called by programs that are not here."""
        found = []
        for path in files_of(self.root, (".map",)):
            text = without_comments(read(self.root, path))
            for block in re.findall(r"global:(.*?)(?:local:|\})", text, re.DOTALL):
                found += [word.strip() for word in block.split(";") if word.strip()]
        return found

    def dead_exports(self):
        """[(name, header, line, only in its own file)], in the order of the headers."""
        visible = self.visible_patterns()
        defined = collections.defaultdict(set)
        for source in self.product:
            for name in source.functions("{"):
                defined[name].add(source.path)
        found = []
        for name, (header, line) in self.exports().items():
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in visible):
                continue
            # A header that uses what it declares, in a macro or an inline function, passes it on.
            if self.used_inside(header, name) or header in self.pasted[name]:
                continue
            if not self.used_in(name, defined[name] | {header}):
                inside = any(self.used_inside(path, name) for path in defined[name])
                found.append((name, header, line, inside))
        return sorted(found, key=lambda row: (row[1], row[2]))

    def used_inside(self, path, name):
        """Does a file name it beyond declaring and defining it?"""
        source = self.sources[path]
        own = sum(function_of(statement) == name for statement in source.statements)
        return source.names[name] > own
