// Shared by the readers of the different answer shapes: the answer being built.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "auto_label_image_grounding/parse/grounding_answer.h"
#include "auto_label_image_grounding/parse/number_text.h"

namespace alig::parse {

constexpr std::size_t kBoxNumbers = 4;

struct GroundingDraft {
  std::vector<GroundingItem> items;
  int unusable = 0;
  bool understood = false;  // boxes were found, or a statement that there are none
  bool truncated = false;
  std::set<std::string> repairs;
};

// One expression while its boxes are collected.
struct ItemDraft {
  GroundingItem item;
  int unusable = 0;
  bool said_none = false;  // null, [], "none"
  bool cut = false;        // cut off by the end of the text: having no boxes means nothing
};

// Adds the item if it has boxes or says that there are none.
void finish_item(ItemDraft item, GroundingDraft& draft);

// Adds a box, or counts it as unusable if a value is not finite.
void add_box(ItemDraft& item, const std::array<double, 4>& values, BoxForm form,
             std::optional<double> score);

// Adds the box of four numbers, or of a rectangle's four corners; counts any others as unusable.
void add_numbers(ItemDraft& item, const std::vector<double>& values, std::optional<double> score);

// Boxes of a text such as "10 20 30 40", "(1,2),(3,4)", "[[1,2,3,4],[5,6,7,8]]" or "none".
// `complete`: false if it is cut off by the end of the text; then only groups in closed brackets
// count.
void add_boxes_from_text(ItemDraft& item, std::string_view text, bool complete,
                         std::optional<double> score);

// "none", "null", "not visible", …
bool says_none(std::string_view text);

// For a rectangle given by its four corners in turn: two opposite corners, in either axis order.
// None for any other polygon.
std::optional<std::array<double, 4>> rectangle_of_corners(const std::vector<double>& values);

}  // namespace alig::parse
