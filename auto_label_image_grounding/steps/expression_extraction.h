// Step 0: a model's answer becomes a cleaned caption and referring expressions. Pure.
#pragma once

#include <string>
#include <string_view>

#include "auto_label_image_grounding/data/annotation.h"
#include "auto_label_image_grounding/parse/extraction_answer.h"
#include "auto_label_image_grounding/steps/label_counts.h"

namespace alig {

// `caption` is the record's own, used if the answer has no cleaned one. The caller sets the
// result's `size`.
ExtractionResult apply_extraction(std::string_view caption, const parse::ExtractionAnswer& answer,
                                  LabelCounts& counts);

// Corrects the spans of an expression list from elsewhere (a checkpoint without fingerprint).
void check_spans(ExtractionResult& result, LabelCounts& counts);

// The head noun of an English noun phrase by simple rules: the last word before the first
// preposition, relative pronoun or next phrase; for other languages usually the phrase itself.
std::string head_noun(std::string_view expression);

}  // namespace alig
