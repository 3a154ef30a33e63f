#include "auto_label_image_grounding/parse/box_json.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "auto_label_image_grounding/base/text.h"

namespace alig::parse {
namespace {

// A finite number, or its text.
std::optional<double> number_of(const Json& json) {
  if (json.is_string()) return whole_number_text(json.get_ref<const std::string&>());
  if (!json.is_number()) return std::nullopt;
  const double value = json.get<double>();
  return std::isfinite(value) ? std::optional<double>(value) : std::nullopt;
}

std::optional<double> score_of_value(const Json& json) {
  if (json.is_string()) return score_from_text(json.get_ref<const std::string&>());
  return number_of(json);
}

// All elements as numbers; none where one of them is something else.
std::optional<std::vector<double>> numbers_of(const Json& array) {
  std::vector<double> out;
  for (const Json& element : array) {
    const auto value = number_of(element);
    if (!value) return std::nullopt;
    out.push_back(*value);
  }
  return out;
}

// ["10 20", "30 40"]: two corners; ["1 2 3 4", "5 6 7 8"]: two boxes.
void add_texts(const Json& array, std::optional<double> score, ItemDraft& item) {
  std::string joined;
  bool pairs = array.size() == 2;
  for (const Json& element : array) {
    const std::string& text = element.get_ref<const std::string&>();
    const NumberGroups numbers = read_number_groups(text);
    pairs = pairs && !numbers.other_text && numbers.groups.size() == 1 &&
            numbers.groups[0].values.size() == 2;
    joined += text + " ";
  }
  if (pairs) {
    add_numbers(item, read_number_groups(joined).groups[0].values, score);
    return;
  }
  ItemDraft boxes;
  for (const Json& element : array) {
    add_boxes_from_text(boxes, element.get_ref<const std::string&>(), true, score);
  }
  // ["n", "n", "n", "n"] is one box that cannot be used, not four.
  const bool none_usable = boxes.unusable > 0 && boxes.item.boxes.empty();
  item.unusable += none_usable ? 1 : boxes.unusable;
  item.said_none = item.said_none || boxes.said_none;
  for (RawBox& box : boxes.item.boxes) item.item.boxes.push_back(box);
}

void collect_flat(const Node& array, std::optional<double> score, ItemDraft& item) {
  if (array.is_cut()) {
    item.cut = true;
    return;
  }
  if (array.json->empty()) {
    item.said_none = true;
  } else if (const auto values = numbers_of(*array.json)) {
    add_numbers(item, *values, score);
  } else if (std::all_of(array.json->begin(), array.json->end(),
                         [](const Json& element) { return element.is_string(); })) {
    add_texts(*array.json, score, item);
  } else {
    ++item.unusable;
  }
}

// [[x, y], [x, y]] where a box is expected: two corners.
std::optional<std::array<double, 4>> two_corners(const Node& array) {
  if (array.is_cut() || array.json->size() != 2) return std::nullopt;
  std::array<double, 4> out{};
  for (std::size_t i = 0; i < 2; ++i) {
    const Json& corner = (*array.json)[i];
    if (!corner.is_array() || corner.size() != 2) return std::nullopt;
    for (std::size_t axis = 0; axis < 2; ++axis) {
      const auto value = number_of(corner[axis]);
      if (!value) return std::nullopt;
      out[2 * i + axis] = *value;
    }
  }
  return out;
}

// A list of scores that belongs to a list of boxes, or one score for all of them.
struct Scores {
  const Json* list = nullptr;
  std::optional<double> one;
  std::optional<double> at(std::size_t index) const {
    if (list == nullptr) return one;
    return index < list->size() ? score_of_value((*list)[index]) : std::nullopt;
  }
};

void collect_nested(const Node& array, const Scores& scores, bool corners, ItemDraft& item) {
  item.cut = item.cut || array.is_cut();
  if (const auto box = corners ? two_corners(array) : std::nullopt) {
    add_box(item, *box, BoxForm::kPositional, scores.at(0));
    return;
  }
  for (std::size_t i = 0; i < array.json->size(); ++i) {
    const Node element = element_of(array, i);
    if (!element.json->is_structured() && !element.json->is_null()) {
      // "none" in a list of boxes, or a word that belongs to nothing.
      if (element.json->is_string()) {
        add_boxes_from_text(item, element.json->get_ref<const std::string&>(), true, scores.at(i));
      } else {
        ++item.unusable;
      }
      continue;
    }
    if (element.json->is_structured() && !is_item(*element.json)) {
      collect_boxes(element, scores.at(i), item);
    }
  }
}

void collect_object(const Node& object, std::optional<double> score, ItemDraft& item) {
  for (const Entries& entries : entries_of(object)) {
    collect_entries(entries, object.is_cut(), score, item);
  }
}

// JSON that was written into a string: "[[1,2,3,4]]", "{\"x1\": …}".
bool collect_embedded(std::string_view text, std::optional<double> score, ItemDraft& item) {
  const std::string_view trimmed = trim(text);
  if (trimmed.empty() || trimmed[0] != '{') return false;
  // Strict alone: each level doubles the escapes, so that the depth stays a logarithm.
  const LenientJson inner = read_lenient_json(trimmed);
  if (inner.blocks.size() != 1 || !inner.repairs.empty()) return false;
  collect_boxes({&inner.blocks[0].value, 0}, score, item);
  return true;
}

// The axis names of the known box schemes, tried in this order: those of x0 must come before those
// of x1, because x1 is the right edge there.
enum class Scheme { kCorners, kSize, kCentre };
struct AxisNames {
  Scheme scheme;
  std::array<std::string_view, 4> keys;
};
constexpr std::array<AxisNames, 11> kAxisNames = {{
    {Scheme::kCorners, {"x0", "y0", "x1", "y1"}},
    {Scheme::kCorners, {"x1", "y1", "x2", "y2"}},
    {Scheme::kCorners, {"xmin", "ymin", "xmax", "ymax"}},
    {Scheme::kCorners, {"minx", "miny", "maxx", "maxy"}},
    {Scheme::kCorners, {"left", "top", "right", "bottom"}},
    {Scheme::kSize, {"left", "top", "width", "height"}},
    {Scheme::kSize, {"x", "y", "width", "height"}},
    {Scheme::kSize, {"x", "y", "w", "h"}},
    {Scheme::kCentre, {"cx", "cy", "w", "h"}},
    {Scheme::kCentre, {"cx", "cy", "width", "height"}},
    {Scheme::kCentre, {"xcenter", "ycenter", "width", "height"}},
}};

std::array<double, 4> to_corners(Scheme scheme, const std::array<double, 4>& v) {
  switch (scheme) {
    case Scheme::kCorners:
      break;
    case Scheme::kSize:
      return {v[0], v[1], v[0] + v[2], v[1] + v[3]};
    case Scheme::kCentre:
      return {v[0] - v[2] / 2, v[1] - v[3] / 2, v[0] + v[2] / 2, v[1] + v[3] / 2};
  }
  return v;
}

const Entry* find_axis(const Entries& entries, std::string_view name) {
  for (const Entry& entry : entries) {
    if (entry.meaning.kind == KeyKind::kAxis && plain_key(entry.key) == name) return &entry;
  }
  return nullptr;
}

void collect_xywh(const Json& json, std::optional<double> score, ItemDraft& item) {
  const auto values = json.is_array() ? numbers_of(json) : std::nullopt;
  if (values && values->size() == kBoxNumbers) {
    const auto& v = *values;
    add_box(item, to_corners(Scheme::kSize, {v[0], v[1], v[2], v[3]}), BoxForm::kNamed, score);
  } else if (!json.is_null()) {
    ++item.unusable;
  } else {
    item.said_none = true;
  }
}

Scores scores_of(const Entries& entries, std::optional<double> outer) {
  const Entry* entry = find_entry(entries, KeyKind::kScore);
  if (entry != nullptr && entry->value.json->is_array()) return {entry->value.json, std::nullopt};
  const auto own = score_of(entries);
  return {nullptr, own ? own : outer};
}

void collect_box_entry(const Entry& entry, bool object_is_cut, const Scores& scores,
                       ItemDraft& item) {
  const Json& json = *entry.value.json;
  // The text's end cuts the object: the score of its boxes may be missing. Instances have their
  // own.
  const bool has_instances =
      entry.meaning.kind == KeyKind::kInstances && json.is_array() && !is_flat(json);
  if (object_is_cut && !has_instances) {
    item.cut = true;
  } else if (entry.meaning.kind == KeyKind::kBoxXywh) {
    collect_xywh(json, scores.at(0), item);
  } else if (json.is_array() && !is_flat(json)) {
    collect_nested(entry.value, scores, entry.meaning.kind == KeyKind::kBox, item);
  } else {
    collect_boxes(entry.value, scores.at(0), item);
  }
}

}  // namespace

Node inside(const Node& outer, const Json& value, bool last) {
  const bool on_edge = last && outer.open > 1 && value.is_structured();
  return {&value, on_edge ? outer.open - 1 : 0};
}

Node element_of(const Node& array, std::size_t index) {
  return inside(array, (*array.json)[index], index + 1 == array.json->size());
}

std::vector<Entries> entries_of(const Node& object) {
  std::vector<Entries> out(1);
  std::set<std::string_view> seen;
  const auto& map = object.json->get_ref<const Json::object_t&>();
  for (const auto& [key, value] : map) {
    if (!seen.insert(key).second) {
      out.emplace_back();
      seen.clear();
      seen.insert(key);
    }
    const bool last = &value == &map.back().second;
    out.back().push_back({key, meaning_of_key(key), inside(object, value, last)});
  }
  return out;
}

bool is_number_list(const Json& json) {
  return json.is_array() && !json.empty() &&
         std::all_of(json.begin(), json.end(),
                     [](const Json& element) { return element.is_number() || element.is_null(); });
}

bool is_bare_numbers(const Json& json) {
  if (is_number_list(json)) return true;
  return json.is_array() && !json.empty() &&
         std::all_of(json.begin(), json.end(), [](const Json& element) {
           return element.is_array() && (element.empty() || is_bare_numbers(element));
         });
}

bool is_item(const Json& json) {
  if (!json.is_object()) return false;
  bool is_named = false, has_instances = false;
  for (const auto& [key, value] : json.get_ref<const Json::object_t&>()) {
    const KeyKind kind = meaning_of_key(key).kind;
    is_named = is_named || kind == KeyKind::kLabel || kind == KeyKind::kId;
    has_instances = has_instances || (kind == KeyKind::kInstances && value.is_array());
  }
  return is_named && has_instances;
}

bool is_flat(const Json& json) {
  return std::none_of(json.begin(), json.end(),
                      [](const Json& element) { return element.is_structured(); });
}

const Entry* find_entry(const Entries& entries, KeyKind kind) {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const Entry& entry) { return entry.meaning.kind == kind; });
  return found == entries.end() ? nullptr : &*found;
}

std::optional<double> score_of(const Entries& entries) {
  const Entry* entry = find_entry(entries, KeyKind::kScore);
  return entry == nullptr ? std::nullopt : score_of_value(*entry->value.json);
}

bool names_axes(const Entries& entries) {
  // Two of them: an image's "width" alone names no box.
  return std::count_if(entries.begin(), entries.end(),
                       [](const Entry& entry) {
                         return entry.meaning.kind == KeyKind::kAxis &&
                                !entry.value.json->is_structured();
                       }) >= 2 &&
         (find_axis(entries, "width") == nullptr || find_axis(entries, "x") != nullptr ||
          find_axis(entries, "left") != nullptr || find_axis(entries, "cx") != nullptr ||
          find_axis(entries, "xcenter") != nullptr);
}

std::optional<std::array<double, 4>> named_box(const Entries& entries) {
  for (const AxisNames& names : kAxisNames) {
    std::array<double, 4> values{};
    bool complete = true;
    for (std::size_t i = 0; i < values.size() && complete; ++i) {
      const Entry* entry = find_axis(entries, names.keys[i]);
      const auto value = entry == nullptr ? std::nullopt : number_of(*entry->value.json);
      complete = value.has_value();
      values[i] = value.value_or(0);
    }
    if (complete) return to_corners(names.scheme, values);
  }
  return std::nullopt;
}

void collect_boxes(const Node& node, std::optional<double> score, ItemDraft& item) {
  const Json& json = *node.json;
  if (json.is_null()) {
    item.said_none = true;
  } else if (json.is_string()) {
    const std::string& text = json.get_ref<const std::string&>();
    if (!collect_embedded(text, score, item)) add_boxes_from_text(item, text, true, score);
  } else if (json.is_object()) {
    collect_object(node, score, item);
  } else if (json.is_array() && is_flat(json)) {
    collect_flat(node, score, item);
  } else if (json.is_array()) {
    collect_nested(node, {nullptr, score}, false, item);
  } else {
    ++item.unusable;
  }
}

void collect_entries(const Entries& entries, bool object_is_cut, std::optional<double> score,
                     ItemDraft& item) {
  const Scores scores = scores_of(entries, score);
  bool found = false;
  for (const Entry& entry : entries) {
    const KeyKind kind = entry.meaning.kind;
    if (kind != KeyKind::kBox && kind != KeyKind::kBoxXywh && kind != KeyKind::kInstances) continue;
    found = true;
    collect_box_entry(entry, object_is_cut, scores, item);
  }
  if (found) return;
  if (object_is_cut) {
    item.cut = true;
  } else if (const auto box = names_axes(entries) ? named_box(entries) : std::nullopt) {
    add_box(item, *box, BoxForm::kNamed, scores.at(0));
  } else {
    ++item.unusable;
  }
}

}  // namespace alig::parse
