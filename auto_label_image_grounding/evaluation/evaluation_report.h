// An evaluation as text and as JSON.
#pragma once

#include <string>

#include "auto_label_image_grounding/evaluation/evaluate.h"

namespace alig {

// One JSON object; `indent` as for json_text().
std::string to_json_text(const Evaluation& evaluation, int indent = -1);
// A table, the worst phrases, the problems.
std::string to_text(const Evaluation& evaluation);

}  // namespace alig
