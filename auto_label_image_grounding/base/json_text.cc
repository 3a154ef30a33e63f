#include "auto_label_image_grounding/base/json_text.h"

#include <nlohmann/json.hpp>

namespace alig {

using nlohmann::json;
using nlohmann::ordered_json;

bool is_json(std::string_view text) { return json::accept(text); }

std::string json_complaint(std::string_view text) {
  try {
    const json ignored = json::parse(text);
    return "";
  } catch (const json::exception& error) {
    return error.what();
  }
}

json parse_json(std::string_view text) {
  return json::parse(text, nullptr, /*allow_exceptions=*/false);
}

ordered_json parse_ordered_json(std::string_view text) {
  return ordered_json::parse(text, nullptr, /*allow_exceptions=*/false);
}

const json& member(const json& object, const char* key) {
  static const json kNone;
  if (!object.is_object()) return kNone;
  const auto found = object.find(key);
  return found == object.end() ? kNone : *found;
}

std::string text_at(const json& object, const char* key) {
  const json& text = member(object, key);
  return text.is_string() ? text.get<std::string>() : "";
}

std::string json_text(const json& value, int indent) {
  return value.dump(indent, ' ', false, json::error_handler_t::replace);
}

std::string json_text(const ordered_json& value, int indent) {
  return value.dump(indent, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace alig
