// Answers as one line of text, to keep tables of expected results readable.
#pragma once

#include <string>
#include <string_view>

#include "auto_label_image_grounding/parse/extraction_answer.h"
#include "auto_label_image_grounding/parse/grounding_answer.h"

namespace alig::parse {

// "[1,2,3,4]", with ":named", ":loc1024", … after boxes that are not positional, and "@0.9" if
// there is a score.
std::string render(const RawBox& box);

// Items as `label#id: box box`, joined by " | "; then "!2" for two unusable boxes and "..." for a
// cut answer. "error" if the text cannot be read.
std::string render_grounding(std::string_view text);

// Expressions as `text(0-5)/noun`, joined by " | ", after "caption => " if there is one; "!1" and
// "..." as above.
std::string render_extraction(std::string_view text);

// The names of the repairs, joined by ",".
std::string render_repairs(const std::vector<std::string>& repairs);

}  // namespace alig::parse
