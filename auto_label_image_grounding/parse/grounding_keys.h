// What the keys of grounding answers mean: one table.
#pragma once

#include <string>
#include <string_view>

namespace alig::parse {

enum class KeyKind {
  kOther,   // possibly an expression
  kLabel,   // text, label, phrase, …
  kLabels,  // the labels of parallel arrays
  kId,
  kScore,
  kBox,        // one box or several: bbox, box_2d, boxes, …
  kBoxXywh,    // left, top, width, height
  kInstances,  // the instances of one expression
  kWrapper,    // a list of expressions, or the answer as a whole
  kAxis,       // x1, ymin, width, …
  kPoint,      // a point instead of a box
  kIgnored,    // sizes, masks, explanations
};

struct KeyMeaning {
  KeyKind kind = KeyKind::kOther;
  int rank = 0;  // of labels: the lowest is the requested expression
};

// Letter case, "_", "-" and spaces do not matter.
KeyMeaning meaning_of_key(std::string_view key);

// "x_min" -> "xmin": letters and digits, in lower case.
std::string plain_key(std::string_view key);

}  // namespace alig::parse
