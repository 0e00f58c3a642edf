"""What a folder has of an earlier comparison, and what takes its place."""
import json

from benchmark_utils.reporting import files, record
from benchmark_utils.reporting.commands import note


class Written:
    """What a folder has of an earlier comparison, by its record.

    Raises
    ------
    ValueError
        If it is that of another dataset.
    """

    def __init__(self, folder, dataset):
        self.folder, self.record = folder, folder / "record.json"
        self.date, self.known = None, {}
        if not self.record.exists():
            return
        try:
            story = json.loads(self.record.read_text(encoding="utf-8"))
            self.known = story.get("files")
            self.date = story.get("date")
            other = story.get("dataset", dataset)
        except (ValueError, AttributeError):
            note(f"{self.record} is no record, and is kept as "
                 f"{files.aside(self.record).name}")
            return
        if other != dataset:
            raise ValueError(
                f"{str(folder)!r} has a comparison on {other}, and not on "
                f"{dataset}: name another --folder")

    def make_room(self, names):
        """Keep files that are not the last comparison's."""
        files.make_room(self.folder, names, self.known)

    def store(self, names, story):
        """Write the record, last, as it says what is there."""
        files.write(self.record, record.text({**story, "files": {
            name: files.content(self.folder / name) for name in names}}))
        note(f"written: {self.folder}" + (
            f", in place of the comparison of {self.date}"
            if self.date else ""))
