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

// A JSON value and how far the text's end cut it: `open` containers on its right edge are not
// closed (0: it is complete).
struct Node {
  const Json* json = nullptr;
  std::size_t open = 0;
  bool is_cut() const { return open > 0; }
};

Node element_of(const Node& array, std::size_t index);

// An object's entries. Where keys are repeated, each repetition starts a new list: models write
// {"label": "a", "bbox": […], "label": "b", "bbox": […]} for two things.
struct Entry {
  std::string_view key;
  KeyMeaning meaning;
  Node value;
};
using Entries = std::vector<Entry>;
std::vector<Entries> entries_of(const Node& object);

bool is_number_list(const Json& json);   // not empty, numbers and nulls alone
bool is_bare_numbers(const Json& json);  // nested lists of numbers and nulls, not empty
bool is_flat(const Json& json);          // has no containers inside

// An expression with its instances. Among another's instances it is there by a bracket that was
// forgotten.
bool is_item(const Json& json);

const Entry* find_entry(const Entries& entries, KeyKind kind);
// The score among the entries; none where it is no finite number.
std::optional<double> score_of(const Entries& entries);

// Whether the entries name the axes of a box or of a part of it.
bool names_axes(const Entries& entries);
// x1,y1,x2,y2 where the entries name all four of some scheme with finite numbers.
std::optional<std::array<double, 4>> named_box(const Entries& entries);

// All boxes below a value that stands under a key for boxes or instances. `score` is for boxes
// without one of their own. Labels and ids in instances are not read: they belong to the instance.
// Items in lists are left out.
void collect_boxes(const Node& node, std::optional<double> score, ItemDraft& item);

// The boxes of an object's box entries, with the score that stands beside them.
void collect_entries(const Entries& entries, bool object_is_cut, std::optional<double> score,
                     ItemDraft& item);

}  // namespace alig::parse
