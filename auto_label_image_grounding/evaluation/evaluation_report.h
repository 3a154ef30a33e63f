// An evaluation for people, and for programs.
#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "auto_label_image_grounding/evaluation/evaluate.h"

namespace alig {

nlohmann::ordered_json to_json(const Evaluation& evaluation);
// A table, the worst phrases, the problems.
std::string to_text(const Evaluation& evaluation);

}  // namespace alig
