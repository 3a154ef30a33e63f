// A step-0 annotations.jsonl that the stock pipeline wrote: nothing is noted of its contents, but
// its checkpoints stand beside it, and tell whether a person has corrected it since.
//
// A stock checkpoint, .ckpt/<id>.json, is the whole record of a line as it was written; a record
// that failed has a line without labels and no checkpoint. Where records share an id, one
// checkpoint is all that is left of them: the lines of the others cannot be judged, and count as
// unedited.
#pragma once

#include <functional>

#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/results/results_dir.h"

namespace alig {

// Whether the file, if its lines look like step 0's, was edited: a line differs from its
// checkpoint, has labels that no checkpoint has (one of an interrupted run of ours counts as well,
// it may have replaced the stock one), is no JSON, or is gone while its stock checkpoint is there.
// Another order, a line twice, and a line gone with its checkpoint are no corrections of labels.
// Keeps 8 bytes a record. kIo for what cannot be read; a damaged checkpoint says nothing.
// `may_go_on`, where given, is asked every few thousand lines; its error ends the reading.
Result<bool> edited_since_stock_run(const ResultsDir& dir,
                                    const std::function<Status()>& may_go_on = {});

}  // namespace alig
