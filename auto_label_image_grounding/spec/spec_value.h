// Internal to spec/: values of keys, from YAML or an override.
#pragma once

#include <string>

#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/spec/spec_keys.h"

namespace alig {

inline constexpr const char* kMissing = "???";  // OmegaConf's mark for a value that must be given

// On one line, shortened, for messages.
std::string shown_value(const SpecJson& value);

// Stores the value after interpolation and with OmegaConf's conversions for structured configs. The
// error does not name the key: "must be …".
Status store_value(Spec& spec, const SpecKey& key, SpecJson value);

}  // namespace alig
