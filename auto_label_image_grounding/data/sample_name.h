// What distinguishes the samples of an input, and what their checkpoints are called. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace alig {

// The path without redundant parts ("./a.png", "images//a.png"), for digests: another spelling of
// image_root must not pay for the same answers again. Symbolic links and ".." are kept.
std::string lexical_path(std::string_view path);

// A file name for any image_id: letters, digits, marks of any script and "._-" are kept, everything
// else becomes "_"; at most 120 bytes, never hidden, never empty. Two ids may give the same name:
// the checkpoint store distinguishes them.
std::string sanitise_id(std::string_view image_id);

// Identifies a sample. `key` digests image path and caption, but not steps or prompts, so that a
// sample keeps its name whatever else changes.
struct SampleName {
  std::string sample_id;      // sanitised image_id
  std::string key;            // 16 hex digits
  bool shared = false;        // other records of the input have the same sample_id
  std::uint32_t ordinal = 1;  // among exact duplicates: 1, 2, …
};
std::string sample_key(std::string_view image_path, std::string_view caption);
// "-<key>", or "-<key>-2" for the second exact duplicate.
std::string suffix_of(const SampleName& name);
// "cat", or "cat-<key>" where the id is shared, or "cat-<key>-2" for the second exact duplicate.
std::string checkpoint_name(const SampleName& name);

// Whether a path written by the stock pipeline, perhaps without image_root, is that of our sample.
bool same_image(const std::string& theirs, const std::string& ours);

}  // namespace alig
