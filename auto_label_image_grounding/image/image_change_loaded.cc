#include <dlfcn.h>

#include <stdexcept>
#include <string>

#include <fmt/core.h>

#include "auto_label_image_grounding/base/version.h"
#include "auto_label_image_grounding/image/image_change.h"

namespace alig {
namespace {

[[noreturn]] void refuse(const std::string& reason) {
  throw std::runtime_error(
      fmt::format("images cannot be decoded: {}. Install the program again", reason));
}

// The module stays loaded until the process ends: unloading OpenCV is not safe.
ChangeImage load() {
  // By its bare name: found in the run path of the program, or the Python module, that this is in.
  void* module = ::dlopen(kChangeImageModule, RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) refuse(::dlerror());
  const auto* found = static_cast<const ChangeImageModule*>(::dlsym(module, kChangeImageSymbol));
  if (found == nullptr) refuse(::dlerror());
  if (std::string(kVersion) != found->version) {
    refuse(
        fmt::format("{} is of version {}, not {}", kChangeImageModule, found->version, kVersion));
  }
  if (std::string(ALIG_IMAGE_CHANGE_INTERFACE) != found->interface) {
    refuse(fmt::format("{} is of another build of version {}", kChangeImageModule, kVersion));
  }
  return found->change_image;
}

}  // namespace

ChangeImage find_change_image() {
  static const ChangeImage kFound = load();
  return kFound;
}

}  // namespace alig
