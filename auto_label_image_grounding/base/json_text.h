// JSON text from and to the values of nlohmann-json. Its parser and serializer are large templates:
// compiled here once, they cost each file that calls them directly two to four seconds.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace alig {

bool is_json(std::string_view text);
// What the parser says is wrong with `text`; "" where nothing is.
std::string json_complaint(std::string_view text);

// A discarded value (is_discarded()) where `text` is not JSON. The second keeps the order of keys.
nlohmann::json parse_json(std::string_view text);
nlohmann::ordered_json parse_ordered_json(std::string_view text);

// On one line, or with `indent` blanks for each level. What is not UTF-8 becomes U+FFFD.
std::string json_text(const nlohmann::json& value, int indent = -1);
std::string json_text(const nlohmann::ordered_json& value, int indent = -1);

}  // namespace alig
