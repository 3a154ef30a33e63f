// Tags and special tokens in model answers: <box>, </ref>, <|det|>, <loc_12>, <patch_index_0044>.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace alig::parse {

// No tag known to a reader is longer; the bound keeps the search linear.
inline constexpr std::size_t kMaxTagBytes = 400;

struct Tag {
  std::size_t length = 0;  // with both angle brackets
  std::string_view name;   // what is between them
};

// The tag whose "<" is at `at`: up to ">" without another "<" or a line end in between.
std::optional<Tag> tag_at(std::string_view text, std::size_t at);

}  // namespace alig::parse
