// How models of the known families answer a grounding question: in which numbers and which format.
// Written from public documentation, independently of the program's own table, so that a mistake
// there shows as wrong boxes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <opencv2/core.hpp>

#include "eyes.h"

namespace demo {

// The answer format when the endpoint is not constrained to a JSON schema.
enum class Style {
  kLabelledBoxes,   // [{"<key>": [a,b,c,d], "label": "…"}, …]
  kRefBox,          // <ref>…</ref><box>[[a,b,c,d], …]</box>
  kObjectRef,       // <|object_ref_start|>…<|object_ref_end|><|box_start|>(a,b),(c,d)<|box_end|>
  kRefDet,          // <|ref|>…<|/ref|><|det|>[[a,b,c,d], …]<|/det|>
  kLocationTokens,  // …<loc_a><loc_b><loc_c><loc_d>
  kPhraseLines,     // …: <|begin_of_box|>[[a,b,c,d], …]<|end_of_box|>
  kObjects,         // {"objects": [{"label", "x_min", "y_min", "x_max", "y_max"}, …]}
};

struct Family {
  const char* name;
  const char* pattern;   // in the model's name, lower case; the first family that fits counts
  bool y_first = false;  // [y, x, y, x]
  double range = 0;      // both axes run from 0 to this; 0: pixels of the image as the model
                         // sees it
  int decimals = 0;      // of the numbers
  bool bins = false;     // numbers name one of `range` equal parts, whose middle is meant
  int longest_side = 0;  // the server downscales to this, in pixels; 0: it does not
  bool resize_to_grid = false;  // the server resizes as Qwen2.5-VL's does
  Style style = Style::kLabelledBoxes;
  const char* key = "bbox";
};

const std::vector<Family>& families();
// By model name; "unknown" answers in pixels of the image as received.
const Family& family_of(std::string_view model);

// The size at which the family's model sees an image that its server received in `received`.
cv::Size seen_size(const Family& family, cv::Size received);

// Steps into which the family's numbers cut the two sides of an image seen in `seen`. The numbers
// lie on the edges of the steps, those of bins in their middle.
cv::Size grid_of(const Family& family, cv::Size seen);

struct Finding {
  int id = 0;
  std::string text;
  std::vector<Sighting> sightings;  // boxes in pixels of the image as received
};

// With `follows_schema` the JSON that the program's schema asks for, else in the family's style.
std::string write_answer(const std::vector<Finding>& findings, const Family& family,
                         cv::Size received, bool follows_schema);

}  // namespace demo
