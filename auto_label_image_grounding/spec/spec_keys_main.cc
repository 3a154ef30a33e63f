// Prints the table of keys as JSON; the build installs it beside the Python package.
#include <cstdio>

#include "auto_label_image_grounding/spec/spec.h"

int main() {
  std::puts(alig::spec_keys_json().c_str());
  return 0;
}
