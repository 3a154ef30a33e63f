#include "auto_label_image_grounding/base/version.h"
#include "auto_label_image_grounding/image/image_change.h"

extern "C" [[gnu::visibility("default")]] const alig::ChangeImageModule alig_image_change;
const alig::ChangeImageModule alig_image_change = {alig::kVersion, ALIG_IMAGE_CHANGE_INTERFACE,
                                                   &alig::change_image};
