// Boxes in JSON values: flat, nested, named, as text, with scores.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "auto_label_image_grounding/parse/grounding_draft.h"
#include "auto_label_image_grounding/parse/grounding_keys.h"
#include "auto_label_image_grounding/parse/lenient_json.h"

namespace alig::parse {

// A JSON value and how far it was cut off by the end of the text: `open` containers on its right
// edge are not closed (0: it is complete).
struct Node {
  const Json* json = nullptr;
  std::size_t open = 0;
  bool is_cut() const { return open > 0; }
};

// A value of the array or object: if it is its last one, the end of the text cut it off too.
Node inside(const Node& outer, const Json& value, bool last);
Node element_of(const Node& array, std::size_t index);

// An object's entries. If keys are repeated, each repetition starts a new list: models write
// {"label": "a", "bbox": […], "label": "b", "bbox": […]} for two things.
struct Entry {
  std::string_view key;
  KeyMeaning meaning;
  Node value;
};
using Entries = std::vector<Entry>;
std::vector<Entries> entries_of(const Node& object);

bool is_number_list(const Json& json);   // not empty, only numbers and nulls
bool is_bare_numbers(const Json& json);  // nested lists of numbers and nulls, not empty
bool is_flat(const Json& json);          // contains no containers

// Whether it is an expression with its instances. Among another's instances it is due to a
// forgotten bracket.
bool is_item(const Json& json);

const Entry* find_entry(const Entries& entries, KeyKind kind);
// The score among the entries; none if it is not a finite number.
std::optional<double> score_of(const Entries& entries);

// Whether the entries name the axes of a box or of a part of it.
bool names_axes(const Entries& entries);
// x1,y1,x2,y2 if the entries name all four of some scheme with finite numbers.
std::optional<std::array<double, 4>> named_box(const Entries& entries);

// All boxes below the value of a key for boxes or instances. `score` applies to boxes without one.
// Labels and ids in instances are not read: they belong to the instance. Items in lists are
// skipped.
void collect_boxes(const Node& node, std::optional<double> score, ItemDraft& item);

// The boxes of an object's box entries, with the score next to them.
void collect_entries(const Entries& entries, bool object_is_cut, std::optional<double> score,
                     ItemDraft& item);

}  // namespace alig::parse
