#include "auto_label_image_grounding/parse/grounding_shapes.h"

#include <algorithm>
#include <cmath>

#include "auto_label_image_grounding/base/json_text.h"
#include "auto_label_image_grounding/parse/box_json.h"

namespace alig::parse {

std::optional<std::string> label_text(const Json& json) {
  if (json.is_string()) return json.get<std::string>();
  if (json.is_number()) return json_text(json);
  return std::nullopt;
}

std::optional<std::int64_t> id_of(const Json& json) {
  if (json.is_number_integer()) return json.get<std::int64_t>();
  const auto value =
      json.is_string() ? whole_number_text(json.get_ref<const std::string&>()) : std::nullopt;
  constexpr double kMaxId = 1e9;
  if (!value || *value != std::floor(*value) || std::abs(*value) > kMaxId) return std::nullopt;
  return static_cast<std::int64_t>(*value);
}

bool names_a_field(std::string_view text) {
  const KeyKind kind = meaning_of_key(text).kind;
  return kind == KeyKind::kBox && plain_key(text).find("box") != std::string::npos;
}

bool is_labels(const Json& json) {
  return json.is_array() && !json.empty() &&
         std::all_of(json.begin(), json.end(), [](const Json& element) {
           return element.is_string() || element.is_number() || element.is_null();
         });
}

bool is_numbers_at_heart(const Json& json) {
  if (!json.is_array() || json.empty()) return false;
  if (is_flat(json)) return json[0].is_number() || json[0].is_null();
  return std::all_of(json.begin(), json.end(), [](const Json& element) {
    return element.is_array() && (element.empty() || is_numbers_at_heart(element));
  });
}

bool is_box_texts(const Json& json) {
  return std::all_of(json.begin(), json.end(), [](const Json& element) {
    if (!element.is_string()) return false;
    const NumberGroups numbers = read_number_groups(element.get_ref<const std::string&>());
    return !numbers.other_text && !numbers.groups.empty();
  });
}

bool has_text_element(const Json& json) {
  return std::any_of(json.begin(), json.end(), [](const Json& e) { return e.is_string(); });
}

bool has_bare_element(const Json& json) {
  return std::any_of(json.begin(), json.end(),
                     [](const Json& e) { return is_bare_numbers(e) || e.is_number(); });
}

bool is_alternating(const Json& json, std::size_t first) {
  for (std::size_t i = 0; i < json.size(); ++i) {
    if (i % 2 == first ? !json[i].is_string() : !json[i].is_structured()) return false;
  }
  return true;
}

bool speaks_of_boxes(const Json& array) {
  return std::any_of(array.begin(), array.end(),
                     [](const Json& element) {
                       return element.is_structured() || element.is_number() || element.is_null();
                     }) ||
         is_box_texts(array);
}

bool is_counter(std::string_view key) { return whole_number_text(key).has_value(); }

bool counts_instances(const Json& object) {
  const auto& map = object.get_ref<const Json::object_t&>();
  const auto counter = [](const auto& entry) { return is_counter(entry.first); };
  return std::any_of(map.begin(), map.end(), counter) &&
         std::all_of(map.begin(), map.end(), [&](const auto& entry) {
           return counter(entry) || meaning_of_key(entry.first).kind == KeyKind::kIgnored;
         });
}

}  // namespace alig::parse
