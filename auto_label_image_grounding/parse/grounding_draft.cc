#include "auto_label_image_grounding/parse/grounding_draft.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "auto_label_image_grounding/base/text.h"

namespace alig::parse {
namespace {

// "(1,2),(3,4)": two corners. Coordinate tokens in pairs are points.
bool are_two_corners(const NumberGroups& numbers) {
  return !numbers.tokens && numbers.groups.size() == 2 &&
         std::all_of(numbers.groups.begin(), numbers.groups.end(),
                     [](const auto& group) { return group.bracketed && group.values.size() == 2; });
}

}  // namespace

void finish_item(ItemDraft item, GroundingDraft& draft) {
  draft.unusable += item.unusable;
  draft.truncated = draft.truncated || item.cut;
  const bool says_nothing = item.item.boxes.empty() && !item.said_none;
  if (item.unusable > 0 || !says_nothing) draft.understood = true;
  if (!item.item.boxes.empty()) {
    draft.items.push_back(std::move(item.item));
    return;
  }
  const bool is_named = !trim(item.item.label).empty() || item.item.id;
  if (item.said_none && item.unusable == 0 && !item.cut && is_named) {
    draft.items.push_back(std::move(item.item));
  }
}

void add_box(ItemDraft& item, const std::array<double, 4>& values, BoxForm form,
             std::optional<double> score) {
  const bool finite =
      std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
  if (finite) {
    item.item.boxes.push_back({values, form, score});
  } else {
    ++item.unusable;
  }
}

void add_numbers(ItemDraft& item, const std::vector<double>& values, std::optional<double> score) {
  // Coordinate tokens <N> and <|coord_N|> too are in the scale of their model.
  constexpr BoxForm form = BoxForm::kPositional;
  if (values.size() == kBoxNumbers) {
    add_box(item, {values[0], values[1], values[2], values[3]}, form, score);
  } else if (const auto corners = rectangle_of_corners(values)) {
    add_box(item, *corners, form, score);
  } else {
    ++item.unusable;
  }
}

void add_boxes_from_text(ItemDraft& item, std::string_view text, bool complete,
                         std::optional<double> score) {
  if (says_none(text)) {
    item.said_none = item.said_none || complete;
    return;
  }
  const NumberGroups numbers = read_number_groups(text);
  if (numbers.other_text && complete) {
    ++item.unusable;
  } else if (complete && are_two_corners(numbers)) {
    const std::vector<double>& first = numbers.groups[0].values;
    const std::vector<double>& second = numbers.groups[1].values;
    add_numbers(item, {first[0], first[1], second[0], second[1]}, score);
  } else {
    for (const NumberGroups::Group& group : numbers.groups) {
      if (!complete && !(group.bracketed && group.values.size() == kBoxNumbers)) continue;
      add_numbers(item, group.values, score);
    }
    if (!numbers.groups.empty() || !complete) return;
    // "[]" says that there is nothing; "<loc_12>" holds a number in a token that is not read here.
    if (text.find_first_of("0123456789") == std::string_view::npos) {
      item.said_none = true;
    } else {
      ++item.unusable;
    }
  }
}

bool says_none(std::string_view text) {
  static const std::set<std::string, std::less<>> kWords = {
      "",    "none",      "null",        "nothing",     "no",           "n/a",
      "na",  "not found", "not visible", "not present", "not detected", "no match",
      "nil", "absent",    "no box",      "no boxes",    "empty",        "no object detected"};
  std::string_view word = trim(text);
  while (!word.empty() && (word.back() == '.' || word.back() == '!')) word.remove_suffix(1);
  return kWords.count(ascii_lower(word)) > 0;
}

std::optional<std::array<double, 4>> rectangle_of_corners(const std::vector<double>& v) {
  constexpr std::size_t kCornerNumbers = 8;
  if (v.size() != kCornerNumbers) return std::nullopt;
  const bool along_first = v[1] == v[3] && v[2] == v[4] && v[5] == v[7] && v[6] == v[0];
  const bool along_second = v[0] == v[2] && v[3] == v[5] && v[4] == v[6] && v[7] == v[1];
  if (!along_first && !along_second) return std::nullopt;
  return std::array<double, 4>{v[0], v[1], v[4], v[5]};
}

}  // namespace alig::parse
