// Specs of tests, with what every spec must have.
#pragma once

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "auto_label_image_grounding/spec/spec.h"

namespace alig {

inline const std::vector<std::string> kRequired = {"results_dir=out",
                                                   "image_grounding.data.input_jsonl=in.jsonl"};

inline Result<Spec> load(const std::string& yaml, std::vector<std::string> overrides = {}) {
  std::vector<std::string> all = kRequired;
  all.insert(all.end(), overrides.begin(), overrides.end());
  return load_spec({yaml, "spec.yaml"}, all);
}

inline Spec good(const std::string& yaml, const std::vector<std::string>& overrides = {}) {
  auto spec = load(yaml, overrides);
  EXPECT_TRUE(spec) << yaml << "\n" << (spec ? "" : spec.error().message);
  return spec.value_or(Spec());
}

inline std::string complaint(const std::string& yaml,
                             const std::vector<std::string>& overrides = {}) {
  const auto spec = load(yaml, overrides);
  EXPECT_FALSE(spec) << yaml << ::testing::PrintToString(overrides);
  return spec ? "" : spec.error().message;
}

}  // namespace alig
