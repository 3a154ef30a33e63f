// Photographs and model answers that are not part of the project: the environment variable
// ALIG_SHARED_DATA names their folder, and tests that use them are skipped without it.
#pragma once

#include <cstdlib>
#include <filesystem>

namespace alig {

// Empty if the variable is not set.
inline std::filesystem::path shared_data() {
  const char* folder = std::getenv("ALIG_SHARED_DATA");
  return folder != nullptr ? folder : "";
}

}  // namespace alig
