// One block of tolerant JSON: the part of lenient_json that reads from an opening bracket on.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string_view>

#include "auto_label_image_grounding/parse/lenient_json.h"

namespace alig::parse {

struct BlockOutcome {
  std::optional<JsonBlock> block;  // none: the bracket belongs to prose
  std::size_t resume = 0;          // where to resume, always beyond the bracket
};

// `begin` is the position of "{" or "[". Repairs of a block that is not one are not reported.
BlockOutcome read_block(std::string_view text, std::size_t begin, std::set<Repair>& repairs);

}  // namespace alig::parse
