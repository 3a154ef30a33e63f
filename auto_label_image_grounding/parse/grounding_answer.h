// A model's answer to "where are these expressions?", whatever its shape. Pure.
//
// Apart from the requested shape
//   {"groundings": [{"id": 1, "text": "the dog", "instances": [{"bbox": [n,n,n,n], "score":
//   0.9}]}]}
// it reads lists and objects with other keys, objects keyed by expression, parallel arrays, NDJSON,
// bare boxes, lines "phrase: [..]", and the special tokens of InternVL, Qwen-VL, DeepSeek-VL,
// GLM-V, Florence-2, PaliGemma, Kosmos-2 and Rex-Omni.
//
// No box is invented: a truncated answer yields only boxes that the whole answer has too. The
// exception is text that is taken back later, which a prefix cannot show: reasoning without an
// opening tag, a draft before <answer>, before a block that answers the same expressions again, or
// before an answer in a shape that is more explicit (JSON after boxes in prose).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auto_label_image_grounding/base/status.h"

namespace alig::parse {

enum class BoxForm {
  kPositional,    // four numbers in the requested order and scale
  kNamed,         // axes were named (x1, xmin, left, x+width, …): x1,y1,x2,y2, scale as asked
  kLocation1024,  // PaliGemma <locNNNN>: y1,x1,y2,x2 on a grid from 0 to 1024 (bins 0-1023)
  kLocation1000,  // Florence-2 <loc_N>: x1,y1,x2,y2, one of 1000 bins each, whose middle is meant
  kPatch32,       // Kosmos-2 patch indices: x1,y1,x2,y2 from 0 to 32, at the patches' centres (at
                  // their outer edges where both lie in one row or column), as its own decoder
};

struct RawBox {
  std::array<double, 4> values{};  // finite; otherwise as given: swapped, negative, huge
  BoxForm form = BoxForm::kPositional;
  // As given: 0.9, 85. A percent sign is honoured: "85%" is 0.85. None if it is not a number.
  std::optional<double> score;
  bool operator==(const RawBox&) const = default;
};

// What the answer says about one expression. No boxes: the model said that it is not visible. An
// expression whose boxes are all unusable has no item: nothing is known about it.
struct GroundingItem {
  std::string label;               // as the model wrote it; empty if it gave none
  std::optional<std::int64_t> id;  // of the expression (not of an instance)
  std::vector<RawBox> boxes;
};

struct GroundingAnswer {
  std::vector<GroundingItem> items;  // in the order of the answer; labels may be repeated
  bool truncated = false;            // the text ends inside something; its complete parts are here
  std::vector<std::string> repairs;  // sorted names of the repairs made
  // Points, wrong numbers of coordinates, non-finite coordinates, objects without a box. If there
  // are no other items, the answer is readable but useless: ask again.
  int unusable_boxes = 0;
};

// kData if there is neither a box nor a statement that there is none: says what was found. A plain
// decline ("There are none.") is an answer without items.
Result<GroundingAnswer> read_grounding_answer(std::string_view text);

}  // namespace alig::parse
