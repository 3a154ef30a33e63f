// Boxes in a block of JSON.
#pragma once

#include "auto_label_image_grounding/parse/grounding_draft.h"
#include "auto_label_image_grounding/parse/lenient_json.h"

namespace alig::parse {

// A block whose leaves are numbers and nulls alone, without an object: what it means is said by the
// text around it.
bool is_bare_array(const JsonBlock& block);

// Everything that the block says. `understood` stays false where it says nothing about boxes.
GroundingDraft read_grounding_block(const JsonBlock& block);

// The boxes of a bare array, as one item with this label.
void read_bare_array(const JsonBlock& block, const std::string& label, GroundingDraft& draft);

}  // namespace alig::parse
