// A step-0 annotations.jsonl written by the stock pipeline: no digest of it is recorded, but its
// checkpoints are next to it, and show whether it was corrected by hand since.
//
// A stock checkpoint, .ckpt/<id>.json, is the complete record as written to its line; a failed
// record has a line without labels and no checkpoint. If records share an id, only one checkpoint
// remains: the lines of the others cannot be judged, and count as unedited.
#pragma once

#include <functional>

#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/results/results_dir.h"

namespace alig {

// Whether the file, if its lines look like step 0's, was edited: a line differs from its
// checkpoint, has labels that no checkpoint has (one of an interrupted run of ours counts as well,
// as it may have replaced the stock one), is not JSON, or is missing while its stock checkpoint
// exists. Another order, a repeated line, and a line missing together with its checkpoint are not
// corrections. Keeps 8 bytes per record. kIo for what cannot be read; a damaged checkpoint is
// ignored. `may_go_on`, if given, is called every few thousand lines; its error ends the reading.
Result<bool> edited_since_stock_run(const ResultsDir& dir,
                                    const std::function<Status()>& may_go_on = {});

}  // namespace alig
