#include "auto_label_image_grounding/parse/tags.h"

namespace alig::parse {

std::optional<Tag> tag_at(std::string_view text, std::size_t at) {
  if (at >= text.size() || text[at] != '<') return std::nullopt;
  const std::string_view rest = text.substr(at + 1, kMaxTagBytes);
  const std::size_t end = rest.find_first_of("<>\n");
  if (end == std::string_view::npos || rest[end] != '>' || end == 0) return std::nullopt;
  return Tag{end + 2, rest.substr(0, end)};
}

}  // namespace alig::parse
