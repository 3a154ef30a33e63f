// Internal to parse/: what a JSON value in an answer about boxes looks like.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "auto_label_image_grounding/parse/lenient_json.h"

namespace alig::parse {

// Text, or a number as text; none for anything else.
std::optional<std::string> label_text(const Json& json);
// A whole number, also as text.
std::optional<std::int64_t> id_of(const Json& json);

// Words in lists that name the field, not a thing: ['bbox', [1, 2, 3, 4]].
bool names_a_field(std::string_view text);
// A list of texts, numbers and nulls, not empty.
bool is_labels(const Json& json);
// Lists of numbers, some of them spoilt ([1, 2, x, 4]).
bool is_numbers_at_heart(const Json& json);
// Whether all elements are texts with numbers. Words without numbers are not boxes: ["a dog", "a
// cat"].
bool is_box_texts(const Json& array);
bool has_text_element(const Json& array);
bool has_bare_element(const Json& array);
// Strings at `first`, `first` + 2, …, containers in between.
bool is_alternating(const Json& array, std::size_t first);
bool speaks_of_boxes(const Json& array);

bool is_counter(std::string_view key);  // "1", "2", …
// {"1": […], "2": […]} below an expression: its instances, and not the expressions 1 and 2.
bool counts_instances(const Json& object);

}  // namespace alig::parse
