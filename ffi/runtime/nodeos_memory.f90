! Memory of a container for programs in Fortran: nodeos_memory.h by iso_c_binding, and names without C strings. Link with
! -lnodeos-rt; see MEMORY.md. What fails has a pointer that is not associated, or a status that is not 0: an errno of the C library.
module nodeos_memory
  use, intrinsic :: iso_c_binding
  implicit none
  private
  public :: nodeos_map, nodeos_remap, nodeos_unmap, nodeos_object_page, nodeos_heap, nodeos_populate, nodeos_bind, nodeos_interleave
  public :: nodeos_arena_new, nodeos_arena_destroy, nodeos_arena_malloc, nodeos_arena_calloc, nodeos_arena_aligned
  public :: nodeos_arena_free, nodeos_map_doubles, nodeos_allocate

  interface
    function c_map(name, bytes) bind(c, name="nodeos_map") result(address)
      import :: c_ptr, c_char, c_size_t
      character(kind=c_char), intent(in) :: name(*)
      integer(c_size_t), intent(out) :: bytes
      type(c_ptr) :: address
    end function
    function c_map_readonly(name, bytes) bind(c, name="nodeos_map_readonly") result(address)
      import :: c_ptr, c_char, c_size_t
      character(kind=c_char), intent(in) :: name(*)
      integer(c_size_t), intent(out) :: bytes
      type(c_ptr) :: address
    end function
    function c_remap(name, old, bytes) bind(c, name="nodeos_remap") result(address)
      import :: c_ptr, c_char, c_size_t
      character(kind=c_char), intent(in) :: name(*)
      type(c_ptr), value :: old
      integer(c_size_t), intent(inout) :: bytes
      type(c_ptr) :: address
    end function
    function c_object_page(name) bind(c, name="nodeos_object_page") result(bytes)
      import :: c_char, c_size_t
      character(kind=c_char), intent(in) :: name(*)
      integer(c_size_t) :: bytes
    end function
    ! Ends a mapping.
    function nodeos_unmap(address, bytes) bind(c) result(status)
      import :: c_ptr, c_size_t, c_int
      type(c_ptr), value :: address
      integer(c_size_t), value :: bytes
      integer(c_int) :: status
    end function
    ! Private memory in huge pages; page 0: the container's first. populate: 0 or 1.
    function nodeos_heap(bytes, page, populate) bind(c) result(address)
      import :: c_ptr, c_size_t, c_int
      integer(c_size_t), value :: bytes, page
      integer(c_int), value :: populate
      type(c_ptr) :: address
    end function
    function nodeos_populate(address, bytes) bind(c) result(status)
      import :: c_ptr, c_size_t, c_int
      type(c_ptr), value :: address
      integer(c_size_t), value :: bytes
      integer(c_int) :: status
    end function
    function nodeos_bind(address, bytes, node) bind(c) result(status)
      import :: c_ptr, c_size_t, c_int
      type(c_ptr), value :: address
      integer(c_size_t), value :: bytes
      integer(c_int), value :: node
      integer(c_int) :: status
    end function
    function nodeos_interleave(address, bytes, nodes, count) bind(c) result(status)
      import :: c_ptr, c_size_t, c_int
      type(c_ptr), value :: address
      integer(c_size_t), value :: bytes
      integer(c_int), intent(in) :: nodes(*)
      integer(c_int), value :: count
      integer(c_int) :: status
    end function
    function nodeos_arena_new(address, bytes) bind(c) result(arena)
      import :: c_ptr, c_size_t
      type(c_ptr), value :: address
      integer(c_size_t), value :: bytes
      type(c_ptr) :: arena
    end function
    subroutine nodeos_arena_destroy(arena) bind(c)
      import :: c_ptr
      type(c_ptr), value :: arena
    end subroutine
    function nodeos_arena_malloc(arena, bytes) bind(c) result(block)
      import :: c_ptr, c_size_t
      type(c_ptr), value :: arena
      integer(c_size_t), value :: bytes
      type(c_ptr) :: block
    end function
    function nodeos_arena_calloc(arena, count, bytes) bind(c) result(block)
      import :: c_ptr, c_size_t
      type(c_ptr), value :: arena
      integer(c_size_t), value :: count, bytes
      type(c_ptr) :: block
    end function
    function nodeos_arena_aligned(arena, alignment, bytes) bind(c) result(block)
      import :: c_ptr, c_size_t
      type(c_ptr), value :: arena
      integer(c_size_t), value :: alignment, bytes
      type(c_ptr) :: block
    end function
    subroutine nodeos_arena_free(arena, block) bind(c)
      import :: c_ptr
      type(c_ptr), value :: arena, block
    end subroutine
  end interface

  ! An array of doubles from an arena, at a multiple of 64 bytes; give it back with nodeos_arena_free(arena, c_loc(array)).
  interface nodeos_allocate
    module procedure allocate_doubles_1, allocate_doubles_2, allocate_doubles_3
  end interface

contains

  ! Maps an object to read and write, or to read alone; bytes is what it has.
  function nodeos_map(name, bytes, readonly) result(address)
    character(*), intent(in) :: name
    integer(c_size_t), intent(out) :: bytes
    logical, intent(in), optional :: readonly
    type(c_ptr) :: address
    logical :: to_read

    to_read = .false.
    if (present(readonly)) to_read = readonly
    bytes = 0
    if (to_read) then
      address = c_map_readonly(trim(name)//c_null_char, bytes)
    else
      address = c_map(trim(name)//c_null_char, bytes)
    end if
  end function

  ! Maps it again after it grew or shrank; bytes is what is mapped, before and after.
  function nodeos_remap(name, old, bytes) result(address)
    character(*), intent(in) :: name
    type(c_ptr), intent(in) :: old
    integer(c_size_t), intent(inout) :: bytes
    type(c_ptr) :: address

    address = c_remap(trim(name)//c_null_char, old, bytes)
  end function

  function nodeos_object_page(name) result(bytes)
    character(*), intent(in) :: name
    integer(c_size_t) :: bytes

    bytes = c_object_page(trim(name)//c_null_char)
  end function

  ! Maps an object as an array of doubles; not associated where it cannot.
  subroutine nodeos_map_doubles(name, array, readonly)
    character(*), intent(in) :: name
    real(c_double), pointer, intent(out) :: array(:)
    logical, intent(in), optional :: readonly
    integer(c_size_t) :: bytes
    type(c_ptr) :: address

    nullify(array)
    address = nodeos_map(name, bytes, readonly)
    if (c_associated(address)) call c_f_pointer(address, array, [bytes/8])
  end subroutine

  subroutine allocate_doubles_1(arena, array, n)
    type(c_ptr), intent(in) :: arena
    real(c_double), pointer, intent(out) :: array(:)
    integer, intent(in) :: n
    type(c_ptr) :: block

    nullify(array)
    block = nodeos_arena_aligned(arena, 64_c_size_t, 8_c_size_t*n)
    if (c_associated(block)) call c_f_pointer(block, array, [n])
  end subroutine

  subroutine allocate_doubles_2(arena, array, n, m)
    type(c_ptr), intent(in) :: arena
    real(c_double), pointer, intent(out) :: array(:, :)
    integer, intent(in) :: n, m
    type(c_ptr) :: block

    nullify(array)
    block = nodeos_arena_aligned(arena, 64_c_size_t, 8_c_size_t*n*m)
    if (c_associated(block)) call c_f_pointer(block, array, [n, m])
  end subroutine

  subroutine allocate_doubles_3(arena, array, n, m, k)
    type(c_ptr), intent(in) :: arena
    real(c_double), pointer, intent(out) :: array(:, :, :)
    integer, intent(in) :: n, m, k
    type(c_ptr) :: block

    nullify(array)
    block = nodeos_arena_aligned(arena, 64_c_size_t, 8_c_size_t*n*m*k)
    if (c_associated(block)) call c_f_pointer(block, array, [n, m, k])
  end subroutine
end module
