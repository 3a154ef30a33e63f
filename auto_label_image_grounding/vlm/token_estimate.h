// Estimates the cost of a request before the endpoint reports it: for pacing and planning, never
// for billing.
#pragma once

#include "auto_label_image_grounding/data/annotation.h"
#include "auto_label_image_grounding/vlm/backend.h"
#include "auto_label_image_grounding/vlm/coordinates.h"

namespace alig {

// `sent`: the image as the model sees it, in pixels.
double estimate_image_tokens(const ModelFamily& family, const ImageSize& sent);

// A whole request: its prompt, its image and a usual answer.
double estimate_tokens(const VlmQuery& query);

// Four characters per token, as in English text.
double estimate_text_tokens(double characters);

}  // namespace alig
