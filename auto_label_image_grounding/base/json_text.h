// Parses and writes nlohmann-json values. The library's parser and serializer are large templates,
// compiled only here: they cost each file that calls them directly two to four seconds.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace alig {

bool is_json(std::string_view text);
// The parser's error message for `text`; "" if it is valid.
std::string json_complaint(std::string_view text);

// A discarded value (is_discarded()) if `text` is not JSON. The second keeps the order of keys.
nlohmann::json parse_json(std::string_view text);
nlohmann::ordered_json parse_ordered_json(std::string_view text);

// The member of an object; null if `object` is not an object or has no such member.
const nlohmann::json& member(const nlohmann::json& object, const char* key);
// Its text; "" if there is none, or it is not a string.
std::string text_at(const nlohmann::json& object, const char* key);

// On one line, or indented by `indent` spaces per level. Invalid UTF-8 becomes U+FFFD.
std::string json_text(const nlohmann::json& value, int indent = -1);
std::string json_text(const nlohmann::ordered_json& value, int indent = -1);

}  // namespace alig
