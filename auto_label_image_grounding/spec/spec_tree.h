// Internal to spec/: settings as a JSON tree, with the place where each value was written.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/spec/spec_keys.h"

namespace alig {

struct SpecTree {
  SpecJson root = SpecJson::object();
  // Dotted path of a value -> "spec.yaml:12" or "override data.input_jsonl=…".
  std::map<std::string, std::string> origins;

  std::string origin_of(const std::string& path) const;
};

// YAML with the types that OmegaConf gives plain scalars (YAML 1.1, 1e3 is a float). Refuses
// duplicate keys and keys that are not text. kInvalidArgument: file, line, column, reason.
Result<SpecTree> parse_yaml(const SpecSource& source);

// "key=value", "+key=value", "++key=value"; the value in Hydra's grammar
// (https://hydra.cc/docs/advanced/override_grammar/basic/) without sweeps and functions.
Status apply_override(SpecTree& tree, const std::string& override_text);

// The value of an unquoted scalar.
SpecJson resolve_plain_scalar(const std::string& text);

// ${oc.env:NAME} and ${oc.env:NAME,default} in a text. kInvalidArgument for unset variables and for
// any other interpolation.
Result<std::string> interpolate(const std::string& text);

}  // namespace alig
