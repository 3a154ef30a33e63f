// Records what this program last wrote where users make corrections, to tell an edited file from an
// output of ours, so that no correction is lost.
//
// Next to each annotations.jsonl (the steps' and the copy at the top) is a .published.json with its
// SHA-256: in the same folder, so that it is copied along with the folder. Size and modification
// time are not trusted: an edit between renaming a file and looking at it would pass for ours.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/results/results_dir.h"

namespace alig {

// Whether a step's annotations.jsonl was changed since this program published it; for a step-0 file
// without a recorded digest, since the stock pipeline wrote it (stock_output.h). False if there is
// no such file, and if it cannot be known who wrote it. kIo, and what `may_go_on` says.
Result<bool> edited_since_published(const ResultsDir& dir, Step step,
                                    const std::function<Status()>& may_go_on = {});

// kInvalidArgument if a run of these steps would replace an edited file; says what to do. Otherwise
// as above.
Status refuse_edited_outputs(const ResultsDir& dir, StepSet steps,
                             const std::function<Status()>& may_go_on = {});

// From now on the step's current annotations.jsonl may be replaced, edited or not; also by a later
// run, if this one does not complete. Returns as keep_unknown(). kIo.
Result<std::optional<std::filesystem::path>> give_up_edits(const ResultsDir& dir, Step step);

// What is recorded of a file: SHA-256 in hexadecimal digits.
struct Published {
  std::string sha256;            // of the file itself
  std::string bad_lines_sha256;  // step 0: of its input's bad lines in failures.jsonl; "": none
};

// The order of publishing: announce() each step, replace its file, the same for the copy at the
// top, settle_published(). The digests are written first, in addition to those of the files that
// may still be there: a process killed in between, perhaps several times in a row, must not make
// its own files look edited.
Status announce(const ResultsDir& dir, Step step, const Published& published);
Status announce_copy(const ResultsDir& dir, const std::string& sha256);
// After all files are in place.
Status settle_published(const ResultsDir& dir, StepSet steps);

// To be called before a file is replaced. If it is not known to be an output of this program (the
// copy at the top was edited, or another program wrote the file), it is kept next to the new one
// under the returned path. kIo.
Result<std::optional<std::filesystem::path>> keep_unknown(const ResultsDir& dir, Step step);
Result<std::optional<std::filesystem::path>> keep_unknown_copy(const ResultsDir& dir);

// Published::bad_lines_sha256 of the step's current file; "" if nothing is recorded. kIo.
Result<std::string> published_bad_lines(const ResultsDir& dir, Step step);

}  // namespace alig
