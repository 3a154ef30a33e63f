// What this program last wrote where users make corrections: so that an edited file is told from an
// output of ours, and no correction is lost.
//
// Beside each annotations.jsonl (the steps' and the copy at the top) stands .published.json with
// its SHA-256: in the same folder, so that a copy of the folder takes it along. Size and time of
// change are not trusted: an edit that falls between a file's renaming and a look at it would pass
// for ours.
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

// Whether a step's annotations.jsonl was changed by somebody else since it was published; of step
// 0's file that nothing is noted of, whether it was since the stock pipeline wrote it
// (stock_output.h). False where there is no such file, and where nothing tells who wrote it. kIo,
// and what `may_go_on` says.
Result<bool> edited_since_published(const ResultsDir& dir, Step step,
                                    const std::function<Status()>& may_go_on = {});

// kInvalidArgument where a run of these steps would replace an edited file; says what to do. Else
// as above.
Status refuse_edited_outputs(const ResultsDir& dir, StepSet steps,
                             const std::function<Status()>& may_go_on = {});

// The step's annotations.jsonl as it stands, edited or not, may be replaced from now on; also by a
// later run, where this one does not come to its end. Returns as keep_unknown(). kIo.
Result<std::optional<std::filesystem::path>> give_up_edits(const ResultsDir& dir, Step step);

// What is noted of a file: SHA-256 in hexadecimal digits.
struct Published {
  std::string sha256;            // of the file itself
  std::string bad_lines_sha256;  // step 0: of its input's bad lines in failures.jsonl; "": none
};

// Publishing goes: announce() each step, replace its file, the same for the copy at the top,
// settle_published(). The digests are written first, beside those of the files that may still be
// there: a process that is killed in between, perhaps several times running, must not make its own
// files look edited.
Status announce(const ResultsDir& dir, Step step, const Published& published);
Status announce_copy(const ResultsDir& dir, const std::string& sha256);
// After all files are in place.
Status settle_published(const ResultsDir& dir, StepSet steps);

// To be called before a file is replaced. Where it is not known to be an output of this program
// (the copy at the top was edited, or another program wrote the file), it stays beside the new one
// under the path that is returned. kIo.
Result<std::optional<std::filesystem::path>> keep_unknown(const ResultsDir& dir, Step step);
Result<std::optional<std::filesystem::path>> keep_unknown_copy(const ResultsDir& dir);

// Published::bad_lines_sha256 of the step's file as it stands; "" where nothing is noted. kIo.
Result<std::string> published_bad_lines(const ResultsDir& dir, Step step);

}  // namespace alig
