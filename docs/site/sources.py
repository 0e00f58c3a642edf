"""The pages that are written by hand, with links as the site has them."""
import re
import shutil

from docs.site.results import DOCS, slug

ROOT = DOCS.parent
#: Pages outside of ``docs/``, and what the site calls them.
OTHERS = {"README.md": "readme.md", "CONTRIBUTING.md": "contributing.md",
          "CHANGELOG.md": "changelog.md"}
_LINK = re.compile(r"(\]\()([^)#:\s]+)(#[^)\s]*)?\)")
_FENCED = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)


class Sources:
    """Copies pages to a folder from which Sphinx makes the site.

    Parameters
    ----------
    folder : Path
    solvers, datasets : list of type
        Those that have a page.
    """

    def __init__(self, folder, solvers, datasets):
        self.folder = folder
        self._places = {
            **OTHERS,
            **{f"docs/{file.name}": file.name for file in DOCS.glob("*.md")},
            **{f"docs/{file.name}": file.name for file in DOCS.glob("*.svg")},
            **{f"solvers/{cls._module_filename.name}":
               f"methods/{slug(cls.name)}.md" for cls in solvers},
            **{f"datasets/{cls._module_filename.name}":
               f"problems/{cls.name}.md" for cls in datasets},
        }

    def copy(self):
        """Copy all pages and their figures."""
        for figure in DOCS.glob("*.svg"):
            shutil.copy(figure, self.folder)
        for file in [*DOCS.glob("*.md"), *(ROOT / name for name in OTHERS)]:
            if file.exists():
                text = self._adapted(file)
                place = self._places[file.relative_to(ROOT).as_posix()]
                (self.folder / place).write_text(text, encoding="utf-8")

    def add(self, place, text):
        """Write a page, or add to one that is there."""
        file = self.folder / place
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as page:
            page.write(text)

    def contents(self, more):
        """Table of contents: the sections of the index.

        Parameters
        ----------
        more : dict of {str: list of str}
            Pages to add to some sections, by the heading.

        Returns
        -------
        str
        """
        text = (self.folder / "index.md").read_text(encoding="utf-8")
        first, *sections = re.split(r"^## (.*)\n", text, flags=re.MULTILINE)
        blocks, known = [], set()
        for title, section in zip(
                ["", *sections[::2]], [first, *sections[1::2]], strict=True):
            pages = [page for page in dict.fromkeys(
                [*_pages(section), *more.get(title, [])])
                if page not in known]
            known.update(pages)
            blocks.append((title, pages))
        return "".join(
            "\n```{toctree}\n:hidden:\n"
            + (f":caption: {title}\n" if title else "")
            + "\n" + "\n".join(pages) + "\n```\n" for title, pages in blocks)

    def _adapted(self, file):
        text = file.read_text(encoding="utf-8")
        # Badges are images from a network; two pages have one title.
        text = re.sub(r"^\[!\[.*\n", "", text, flags=re.MULTILINE)
        if file.name == "README.md":
            text = re.sub(r"\A# .*", "# Getting started", text)
        parts = _FENCED.split(text)
        return "".join(
            part if k % 2 else _LINK.sub(
                lambda found: self._link(file, found), part)
            for k, part in enumerate(parts))

    def _link(self, file, found):
        opening, target, anchor = found.groups()
        path = (file.parent / target).resolve()
        if not path.is_relative_to(ROOT) or not path.is_file():
            raise ValueError(
                f"link={target!r} in {file.relative_to(ROOT)} is not valid: "
                "there is no such file")
        name = path.relative_to(ROOT).as_posix()
        if name not in self._places:
            copy = self.folder / "files" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
            self._places[name] = f"files/{name}"
        return f"{opening}{self._places[name]}{anchor or ''})"


def _pages(text):
    """Names of the pages that a section of the index links to."""
    return list(dict.fromkeys(re.findall(r"\]\(([\w-]+)\.md\)", text)))
