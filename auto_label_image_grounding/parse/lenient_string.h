// Strings inside tolerant JSON, where quotes may be unescaped.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "auto_label_image_grounding/parse/lenient_json.h"

namespace alig::parse {

// What the string is for: this decides which quote can be the closing one.
enum class StringRole { kKey, kObjectValue, kArrayElement };

struct StringOutcome {
  std::optional<std::string> value;  // none: the text ended inside
  std::size_t end = 0;
};

// `begin` is the position of the opening quote, or of the backslashes before it (JSON that was
// escaped into a string).
StringOutcome read_string(std::string_view text, std::size_t begin, StringRole role,
                          std::set<Repair>& repairs);

// Whether a string starts at `at`: a quote, or backslashes and then a quote.
bool starts_string(std::string_view text, std::size_t at);

}  // namespace alig::parse
