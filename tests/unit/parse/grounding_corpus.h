// Answers in the shapes that models produce, and what must be read from them.
#pragma once

#include <string>
#include <vector>

namespace alig::parse {

struct GroundingCase {
  std::string name;
  std::string text;
  std::string expected;  // see render_grounding()
  std::string repairs;
  // A later part of the text takes an earlier one back (reasoning without its opening tag, a draft
  // before the answer), so that a prefix may hold boxes that the whole does not.
  bool revises_itself = false;
};

const std::vector<GroundingCase>& shape_cases();
const std::vector<GroundingCase>& text_cases();

inline std::vector<GroundingCase> all_grounding_cases() {
  std::vector<GroundingCase> out = shape_cases();
  out.insert(out.end(), text_cases().begin(), text_cases().end());
  return out;
}

}  // namespace alig::parse
