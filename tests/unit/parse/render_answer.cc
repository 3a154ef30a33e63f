#include "render_answer.h"

#include <array>

#include <fmt/ranges.h>

namespace alig::parse {
namespace {

std::string render(const GroundingItem& item) {
  std::string out = item.label;
  if (item.id) out += fmt::format("#{}", *item.id);
  out += ":";
  for (const RawBox& box : item.boxes) out += " " + render(box);
  return out;
}

std::string with_marks(const std::vector<std::string>& parts, int unusable, bool truncated) {
  std::string out = fmt::format("{}", fmt::join(parts, " | "));
  if (unusable > 0) out += fmt::format("{}!{}", out.empty() ? "" : " ", unusable);
  if (truncated) out += out.empty() ? "..." : " ...";
  return out;
}

}  // namespace

std::string render(const RawBox& box) {
  static constexpr std::array<const char*, 5> kForms = {"", ":named", ":loc1024", ":loc1000",
                                                        ":patch32"};
  std::string out = fmt::format("[{}]{}", fmt::join(box.values, ","),
                                kForms.at(static_cast<std::size_t>(box.form)));
  if (box.score) out += fmt::format("@{}", *box.score);
  return out;
}

std::string render_grounding(std::string_view text) {
  const auto answer = read_grounding_answer(text);
  if (!answer) return "error";
  std::vector<std::string> items;
  for (const GroundingItem& item : answer->items) items.push_back(render(item));
  return with_marks(items, answer->unusable_boxes, answer->truncated);
}

std::string render_extraction(std::string_view text) {
  const auto answer = read_extraction_answer(text);
  if (!answer) return "error";
  std::vector<std::string> parts;
  for (const ExtractedExpression& expression : answer->expressions) {
    std::string part = expression.text;
    if (const auto& span = expression.span_hint) {
      part += fmt::format("({}-{})", span->first, span->second);
    }
    if (!expression.noun_chunk.empty()) part += "/" + expression.noun_chunk;
    parts.push_back(part);
  }
  const std::string caption = answer->cleaned_caption ? *answer->cleaned_caption + " => " : "";
  return caption + with_marks(parts, answer->unusable_expressions, answer->truncated);
}

std::string render_repairs(const std::vector<std::string>& repairs) {
  return fmt::format("{}", fmt::join(repairs, ","));
}

}  // namespace alig::parse
