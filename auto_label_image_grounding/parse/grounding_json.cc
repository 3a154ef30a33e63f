#include "auto_label_image_grounding/parse/grounding_json.h"

#include <algorithm>
#include <utility>

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/parse/box_json.h"
#include "auto_label_image_grounding/parse/grounding_shapes.h"

namespace alig::parse {
namespace {

// The expression that an outer object has named already.
struct Context {
  std::string label{};
  std::optional<std::int64_t> id{};
  // The outer object's name may be beyond the cut: items without their own are left out.
  bool may_follow = false;
  // The list that was asked for: ids in it are those of expressions. Below anything else that has a
  // name, ids count its instances.
  bool lists_expressions = false;
};

// The kind of an entry in view of its value: {"top": [[…]]} speaks of clothes, and
// {"object": {"label": …}} only wraps.
KeyKind kind_of(const Entry& entry) {
  const KeyKind kind = entry.meaning.kind;
  const Json& json = *entry.value.json;
  if (!json.is_structured()) return kind;
  if (kind == KeyKind::kAxis || kind == KeyKind::kId) return KeyKind::kOther;
  if (kind != KeyKind::kLabel) return kind;
  return json.empty() || is_bare_numbers(json) ? KeyKind::kOther : KeyKind::kWrapper;
}

bool has_kind(const Entries& entries, KeyKind kind) {
  return std::any_of(entries.begin(), entries.end(),
                     [&](const Entry& entry) { return kind_of(entry) == kind; });
}

bool has_boxes(const Entries& entries) {
  return has_kind(entries, KeyKind::kBox) || has_kind(entries, KeyKind::kBoxXywh) ||
         names_axes(entries);
}

// The best label and id among the entries; what they lack is the context's.
Context named_by(const Entries& entries, const Context& outer) {
  Context out = outer;
  std::optional<std::int64_t> id;
  const Entry* best = nullptr;
  for (const Entry& entry : entries) {
    if (kind_of(entry) == KeyKind::kId && !id) id = id_of(*entry.value.json);
    if (kind_of(entry) != KeyKind::kLabel || !label_text(*entry.value.json)) continue;
    if (best == nullptr || entry.meaning.rank < best->meaning.rank) best = &entry;
  }
  if (best != nullptr) {
    out.label = *label_text(*best->value.json);
    out.id = id;
  } else if (id && outer.lists_expressions) {
    out.label.clear();
    out.id = id;
  } else if (!out.id) {
    out.id = id;
  }
  return out;
}

bool is_named(const Context& context) { return !trim(context.label).empty() || context.id; }

class BlockInterpreter {
 public:
  explicit BlockInterpreter(GroundingDraft& draft) : draft_(draft) {}

  void read(const Node& node, const Context& context) {
    if (node.json->is_object()) {
      read_object(node, context);
    } else if (node.json->is_array()) {
      read_array(node, context);
    }
  }

 private:
  ItemDraft start(const Context& context) const {
    ItemDraft item;
    item.item.label = context.label;
    item.item.id = context.id;
    return item;
  }

  void read_array(const Node& array, const Context& context) {
    const Json& json = *array.json;
    draft_.truncated = draft_.truncated || array.is_cut();
    if (json.empty()) {
      draft_.understood = draft_.understood || !array.is_cut();
    } else if (is_bare_numbers(json) || is_box_texts(json)) {
      collect(array, start(context), context);
    } else if (has_bare_element(json) && has_text_element(json)) {
      read_labelled_list(array, context);
    } else {
      for (std::size_t i = 0; i < json.size(); ++i) read(element_of(array, i), context);
    }
  }

  void collect(const Node& node, ItemDraft item, const Context& context) {
    if (context.may_follow && !is_named({item.item.label, item.item.id})) return;
    collect_boxes(node, std::nullopt, item);
    finish_item(std::move(item), draft_);
  }

  // ["a dog", [1,2,3,4], "a cat", [5,6,7,8]], ["a dog", 1, 2, 3, 4], [[1,2,3,4], "a dog"].
  void read_labelled_list(const Node& array, const Context& context) {
    const Json& json = *array.json;
    if (is_alternating(json, 0)) {
      for (std::size_t i = 1; i < json.size(); i += 2) {
        collect(element_of(array, i), labelled(json[i - 1], context), context);
      }
    } else if (is_alternating(json, 1) && json.size() % 2 == 0) {
      for (std::size_t i = 0; i < json.size(); i += 2) {
        collect(element_of(array, i), labelled(json[i + 1], context), context);
      }
    } else if (json[0].is_string() && json.size() == 5 && !array.is_cut()) {
      ItemDraft item = labelled(json[0], context);
      const Json numbers(std::vector<Json>(json.begin() + 1, json.end()));
      collect_boxes({&numbers, 0}, std::nullopt, item);
      finish_item(std::move(item), draft_);
    } else {
      read_mixed_list(array, context);
    }
  }

  // It is unclear which label belongs to which box: boxes without a label.
  void read_mixed_list(const Node& array, const Context& context) {
    for (std::size_t i = 0; i < array.json->size(); ++i) {
      const Node element = element_of(array, i);
      if (is_bare_numbers(*element.json)) {
        collect(element, start(context), context);
      } else {
        read(element, context);
      }
    }
    if (!draft_.understood && !array.is_cut()) {
      ++draft_.unusable;
      draft_.understood = true;
    }
  }

  ItemDraft labelled(const Json& label, const Context& context) const {
    const std::string& text = label.get_ref<const std::string&>();
    return names_a_field(text) ? start(context) : start({text});
  }

  void read_object(const Node& object, const Context& context) {
    draft_.truncated = draft_.truncated || object.is_cut();
    if (object.json->empty()) {
      draft_.understood = draft_.understood || !object.is_cut();
      return;
    }
    Context current = context;
    for (const Entries& entries : entries_of(object)) {
      const Context named = named_by(entries, current);
      read_entries(entries, named, object.is_cut());
      current = named;
    }
  }

  void read_entries(const Entries& entries, const Context& named, bool cut) {
    if (read_parallel(entries, cut)) return;
    const bool keyed = !is_named(named) && boxes_are_expressions(entries);
    const bool own_item = (has_boxes(entries) && !keyed) ||
                          (is_named(named) && has_kind(entries, KeyKind::kInstances));
    if (own_item) {
      read_item(entries, named, cut);
    } else if (!read_wrappers(entries, named, cut)) {
      read_expressions(entries, keyed, cut);
    }
  }

  // {"labels": ["a", "b"], "bboxes": [[…], […]], "scores": […]}.
  bool read_parallel(const Entries& entries, bool cut) {
    const Entry* boxes = find_entry(entries, KeyKind::kBox);
    const Entry* labels = find_entry(entries, KeyKind::kLabels);
    for (const Entry& entry : entries) {
      if (labels == nullptr && entry.meaning.kind == KeyKind::kLabel &&
          entry.value.json->is_array()) {
        labels = &entry;
      }
    }
    if (boxes == nullptr || labels == nullptr || !is_labels(*labels->value.json)) return false;
    draft_.understood = true;
    if (cut) return true;  // scores or labels may be missing
    const Json& list = *boxes->value.json;
    const Json& names = *labels->value.json;
    const bool one_for_all = names.size() == 1;
    if (!list.is_array() || (list.size() != names.size() && !one_for_all)) {
      draft_.unusable += list.is_array() ? static_cast<int>(list.size()) : 1;
      return true;
    }
    if (one_for_all && is_number_list(list)) {
      read_parallel_element(entries, names[0], {&list, 0}, 0);
      return true;
    }
    for (std::size_t i = 0; i < list.size(); ++i) {
      read_parallel_element(entries, names[one_for_all ? 0 : i], {&list[i], 0}, i);
    }
    return true;
  }

  void read_parallel_element(const Entries& entries, const Json& label, const Node& boxes,
                             std::size_t index) {
    ItemDraft item = start({label_text(label).value_or("")});
    const Entry* scores = find_entry(entries, KeyKind::kScore);
    std::optional<double> score = score_of(entries);
    if (scores != nullptr && scores->value.json->is_array() && index < scores->value.json->size()) {
      const Entry one{scores->key, scores->meaning, {&(*scores->value.json)[index], 0}};
      score = score_of({one});
    }
    collect_boxes(boxes, score, item);
    finish_item(std::move(item), draft_);
  }

  void read_item(const Entries& entries, const Context& named, bool cut) {
    draft_.understood = true;
    if ((cut || named.may_follow) && !is_named(named)) return;
    ItemDraft item = start(named);
    collect_entries(entries, cut, std::nullopt, item);
    finish_item(std::move(item), draft_);
    for (const Entry& entry : entries) {
      if (entry.meaning.kind == KeyKind::kInstances) read_misplaced_items(entry.value);
    }
  }

  // The next expressions, where the bracket that ends this one's list was forgotten.
  void read_misplaced_items(const Node& array) {
    if (!array.json->is_array()) return;
    for (std::size_t i = 0; i < array.json->size(); ++i) {
      const Node element = element_of(array, i);
      if (is_item(*element.json)) read(element, {});
    }
  }

  bool read_wrappers(const Entries& entries, Context named, bool cut) {
    named.may_follow = named.may_follow || cut;
    bool found = false;
    for (const Entry& entry : entries) {
      named.lists_expressions = plain_key(entry.key) == "groundings";
      const KeyKind kind = kind_of(entry);
      const Json& json = *entry.value.json;
      const bool list_of_named = kind == KeyKind::kLabels && !is_labels(json);
      if (kind != KeyKind::kWrapper && kind != KeyKind::kInstances && !list_of_named) continue;
      if (json.is_structured()) {
        read(entry.value, named);
      } else if (json.is_null()) {
        draft_.understood = true;
      } else if (!read_embedded(json, named)) {
        continue;
      }
      found = true;
    }
    return found;
  }

  // {"answer": "{\"groundings\": …}"}.
  bool read_embedded(const Json& json, const Context& named) {
    if (!json.is_string()) return false;
    const std::string_view text = trim(json.get_ref<const std::string&>());
    if (text.empty() || (text[0] != '{' && text[0] != '[')) return false;
    // Strict alone: each level doubles the escapes, so that the depth stays a logarithm.
    LenientJson inner = read_lenient_json(text);
    if (inner.blocks.size() != 1 || !inner.repairs.empty()) return false;
    draft_.repairs.insert(name_of(Repair::kEscapedJson));
    read({&inner.blocks[0].value, 0}, named);
    return true;
  }

  // {"box": […], "cat": […]}: among expressions, "box" is one.
  static bool boxes_are_expressions(const Entries& entries) {
    bool word = false, other = false;
    for (const Entry& entry : entries) {
      const std::string key = plain_key(entry.key);
      word = word || key == "box" || key == "boxes" || key == "rectangle" || key == "region";
      other = other || (kind_of(entry) == KeyKind::kOther && is_bare_numbers(*entry.value.json));
    }
    return word && other;
  }

  // An object keyed by expression.
  void read_expressions(const Entries& entries, bool boxes_too, bool cut) {
    bool has_label = false;
    for (const Entry& entry : entries) {
      const KeyKind kind = kind_of(entry);
      has_label = has_label || kind == KeyKind::kLabel || kind == KeyKind::kPoint;
      // What follows the cut may say that this is one thing, and these numbers a property of it.
      const bool may_be_property =
          cut && entry.value.json->is_array() && is_flat(*entry.value.json);
      if (may_be_property) continue;
      if (kind == KeyKind::kOther || (boxes_too && kind == KeyKind::kBox)) read_expression(entry);
    }
    // {"label": "a"}, {"point_2d": […], "label": "a"}: speaks of a thing, but has no box.
    if (!has_label) return;
    draft_.understood = true;
    if (!cut) ++draft_.unusable;
  }

  void read_expression(const Entry& entry) {
    const Json& json = *entry.value.json;
    ItemDraft item = start({std::string(entry.key)});
    if (json.is_null()) {
      item.said_none = true;
    } else if (json.is_string()) {
      if (!read_expression_text(json, item)) return;
    } else if (json.is_array()) {
      if (!json.empty() && !speaks_of_boxes(json)) return;
      collect_boxes(entry.value, std::nullopt, item);
      read_misplaced_items(entry.value);
    } else if (json.is_object() && counts_instances(json)) {
      for (const Entries& entries : entries_of(entry.value)) {
        for (const Entry& instance : entries) {
          if (is_counter(instance.key)) collect_boxes(instance.value, std::nullopt, item);
        }
      }
    } else if (json.is_object()) {
      if (!is_instance(entry.value)) {
        read(entry.value, {std::string(entry.key)});
        return;
      }
      collect_boxes(entry.value, std::nullopt, item);
    } else {
      return;
    }
    finish_item(std::move(item), draft_);
  }

  static bool read_expression_text(const Json& json, ItemDraft& item) {
    const std::string& text = json.get_ref<const std::string&>();
    const NumberGroups numbers = read_number_groups(text);
    if (!says_none(text) && (numbers.other_text || numbers.groups.empty())) return false;
    add_boxes_from_text(item, text, true, std::nullopt);
    return true;
  }

  static bool is_instance(const Node& object) {
    if (object.json->empty()) return true;
    for (const Entries& entries : entries_of(object)) {
      if (has_boxes(entries) || has_kind(entries, KeyKind::kInstances)) return true;
    }
    return false;
  }

  GroundingDraft& draft_;
};

}  // namespace

bool is_bare_array(const JsonBlock& block) {
  return block.value.is_array() && (block.value.empty() || is_numbers_at_heart(block.value));
}

GroundingDraft read_grounding_block(const JsonBlock& block) {
  GroundingDraft draft;
  draft.truncated = block.truncated;
  BlockInterpreter(draft).read({&block.value, block.open_containers}, {});
  return draft;
}

void read_bare_array(const JsonBlock& block, const std::string& label, GroundingDraft& draft) {
  ItemDraft item;
  item.item.label = label;
  collect_boxes({&block.value, block.open_containers}, std::nullopt, item);
  finish_item(std::move(item), draft);
}

}  // namespace alig::parse
